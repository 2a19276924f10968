"""Convolution over time with batch norm, the layer of GeneFace's networks of landmarks (ICLR 2023)."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.conv import Conv
from jaxtalk.nn.mel_encoder import batch_norm


class TimeConv(nn.Module):
    """Convolution, batch norm, the input again where residual, activation. Statistics are kept in float32.

    With a mask, statistics are of the moments in it, and the others are 0 in the output.
    """

    features: int
    window: int
    stride: int = 1
    padding: int = 0
    residual: bool = False
    activation: Callable[[jax.Array], jax.Array] = nn.relu
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "b t i"], mask: Float[Array, "b t2"] | None = None, *, train: bool
    ) -> Float[Array, "b t2 o"]:
        y = Conv(self.features, (self.window,), self.stride, self.padding, dtype=self.dtype, name="conv")(x)
        own = None if mask is None else mask[..., None]
        norm = batch_norm(train, name="norm")
        y = norm(y, mask=None if own is None else own > 0).astype(self.dtype)
        y = self.activation(y + x.astype(self.dtype) if self.residual else y)
        return y if own is None else y * own.astype(self.dtype)
