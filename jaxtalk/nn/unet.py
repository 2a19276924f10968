"""The halves of a U-Net over pictures, which the dubbing networks share (Ronneberger et al., MICCAI 2015).

    picture [h, w, i] --`Contract`--> [h, w, n_0], [h/2, w/2, n_1], [h/4, w/4, n_2] ...
    [h/2, w/2, n_1] --`Expand`, with the [h, w, n_0] of the way down--> [h, w, n_0]

Norms are of each picture's own channels, float32, without parameters: training and use are the same.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.errors import InputError
from jaxtalk.nn.conv import Conv
from jaxtalk.nn.instance_norm import normalised
from jaxtalk.nn.upsample import EnlargedConv

SLOPE = 0.2  # of the leaky ReLUs on the way down


class Contract(nn.Module):
    """A convolution of 3 x 3 at full size, then halvings by 4 x 4; the features of each size, the largest first."""

    widths: Sequence[int]
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> list[Float[Array, "b _ _ _"]]:
        multiple = 1 << len(self.widths) - 1
        if x.shape[1] % multiple or x.shape[2] % multiple:
            raise InputError(
                f"pictures of {x.shape[1]} x {x.shape[2]} pixels; their sides must be multiples of {multiple}"
            )
        features = []
        for k, width in enumerate(self.widths):
            window, stride = (3, 1) if k == 0 else (4, 2)
            x = Conv(width, (window, window), stride, 1, dtype=self.dtype, name=f"conv_{k}")(x)
            x = nn.leaky_relu(normalised(x) if k > 0 else x, SLOPE).astype(self.dtype)
            features.append(x)
        return features


class Expand(nn.Module):
    """Twice the size by nearest pixels and a convolution, what the way down had at that size, a convolution."""

    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"], skip: Float[Array, "b h2 w2 s"]) -> Float[Array, "b h2 w2 o"]:
        x = nn.relu(normalised(EnlargedConv(self.features, 2, self.dtype, name="up")(x))).astype(self.dtype)
        x = jnp.concatenate([x, skip], -1)
        x = Conv(self.features, (3, 3), padding=1, dtype=self.dtype, name="join")(x)
        return nn.relu(normalised(x)).astype(self.dtype)
