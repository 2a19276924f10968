"""The SPADE decoder of SadTalker's renderer: features to a picture (Park et al., CVPR 2019; SadTalker, CVPR 2023).

    feature [h, w, 4 n] --conv--> [h, w, 8 n] --6 blocks--> the same size --block, x 2--> [2 h, 2 w, 4 n]
        --block, x 2--> [4 h, 4 w, n] --conv, sigmoid--> picture [4 h, 4 w, 3]

The feature is also the label of each norm: SPADE normalises each channel of each picture, then scales and shifts it by
what two convolutions make of the label. Only modulated values depend on a pixel's place within its block of 2 x 2 or
4 x 4, so nothing is normalised and no label is convolved on an enlarged picture.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.conv import Conv
from jaxtalk.nn.instance_norm import normalised
from jaxtalk.nn.upsample import EnlargedConv, enlarge

SLOPE = 0.2  # of the leaky ReLUs


class SpadeDecoder(nn.Module):
    width: int = 64
    middle: int = 6  # blocks
    hidden: int = 128
    ups: int = 2  # enlargements; 1 leaves out the first
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, feature: Float[Array, "b h w c"], *, train: bool = False
    ) -> tuple[Float[Array, "b h2 w2 3"], dict[str, Array]]:
        """A picture from 0 to 1, float32, and aux["middle_0"], the first block's output; training changes nothing."""
        n, dtype = self.width, self.dtype
        feature = feature.astype(dtype)

        def block(features, factor, name):
            return SpadeBlock(features, factor, self.hidden, dtype, name=name)

        x = Conv(8 * n, (3, 3), padding=1, dtype=dtype, name="in")(feature)
        x = first = block(8 * n, 1, "middle_0")(x, feature)
        for k in range(1, self.middle):
            x = block(8 * n, 1, f"middle_{k}")(x, feature)
        for k in range(self.ups):
            x = block(n << 2 * (self.ups - 1 - k), 2 << k, f"up_{k}")(x, feature)
        x = Conv(3, (3, 3), padding=1, dtype=dtype, name="out")(nn.leaky_relu(x, SLOPE))
        return nn.sigmoid(x.astype(jnp.float32)), {"middle_0": first}


class SpadeBlock(nn.Module):
    """skip + conv(leaky(SPADE(conv(leaky(SPADE(x)))))) at `factor` times the label's size, to which x is enlarged."""

    features: int
    factor: int
    hidden: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"], label: Float[Array, "b h0 w0 c"]) -> Float[Array, "b h2 w2 o"]:
        enlarging = self.factor * label.shape[1] // x.shape[1]
        normal = enlarge(normalised(x), enlarging)

        def modulated(normal, name):
            modulation = Modulation(normal.shape[-1], self.factor, self.hidden, self.dtype, name=f"norm_{name}")
            return modulation(normal, label)

        def conv(y, features, name):
            y = nn.leaky_relu(y, SLOPE)
            return Conv(features, (3, 3), padding=1, dtype=self.dtype, name=f"conv_{name}")(y)

        y = conv(modulated(normal, "0"), min(x.shape[-1], self.features), "0")
        y = conv(modulated(normalised(y), "1"), self.features, "1")
        if x.shape[-1] == self.features:
            return y + enlarge(x, enlarging)
        skip = Conv(self.features, (1, 1), bias=False, dtype=self.dtype, name="conv_skip")
        return y + skip(modulated(normal, "skip"))


class Modulation(nn.Module):
    """normal * (1 + scale) + shift: both of them from the label, enlarged to the size of `normal`."""

    features: int
    factor: int
    hidden: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, normal: Float[Array, "b h w c"], label: Float[Array, "b h0 w0 l"]) -> Float[Array, "b h w c"]:
        hidden = nn.relu(EnlargedConv(self.hidden, self.factor, self.dtype, name="hidden")(label))
        both = Conv(2 * self.features, (3, 3), padding=1, dtype=self.dtype, name="scale_and_shift")(hidden)
        scale, shift = jnp.split(both.astype(jnp.float32), 2, -1)
        return (normal * (1 + scale) + shift).astype(self.dtype)
