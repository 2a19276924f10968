"""The decoder of face-vid2vid without SPADE: features to a picture (Wang et al., CVPR 2021, appendix A).

feature [h, w, 4 n] --6 residual blocks--> the same size --2 blocks, x 2 each--> [4 h, 4 w, n]
    --7 x 7 conv, sigmoid--> picture [4 h, 4 w, 3]
"""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.blocks import ResBlock, Up
from jaxtalk.nn.conv import Conv


class PlainDecoder(nn.Module):
    width: int = 64
    middle: int = 6  # blocks
    ups: int = 2  # enlargements; 1 leaves out the first
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, feature: Float[Array, "b h w c"], *, train: bool = False
    ) -> tuple[Float[Array, "b h2 w2 3"], dict[str, Array]]:
        """A picture from 0 to 1, float32, and aux["middle_0"], the first block's output."""
        x = first = ResBlock(self.dtype, name="middle_0")(feature.astype(self.dtype), train=train)
        for k in range(1, self.middle):
            x = ResBlock(self.dtype, name=f"middle_{k}")(x, train=train)
        for level in range(self.ups):
            x = Up(self.width << self.ups - 1 - level, self.dtype, name=f"up_{level}")(x, train=train)
        x = Conv(3, (7, 7), padding=3, dtype=self.dtype, name="out")(x)
        return nn.sigmoid(x.astype(jnp.float32)), {"middle_0": first}
