"""Blocks of convolution, batch norm and ReLU over two or three axes, which face-vid2vid's networks share.

Resolution changes along height and width only; depth, where there is one, stays. Norms are in float32; with `train`,
batch statistics are used and updated.
"""

from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.conv import Conv
from jaxtalk.nn.mel_encoder import batch_norm
from jaxtalk.nn.pool import average_pool
from jaxtalk.nn.upsample import EnlargedConv


class Same(nn.Module):
    """Convolution that keeps the size (with a stride of 1), norm, activation."""

    features: int
    window: int = 3
    stride: int = 1
    activation: Callable[[Array], Array] = nn.relu
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b *space i"], *, train: bool) -> Float[Array, "b *space_out o"]:
        window = (self.window,) * (x.ndim - 2)
        y = Conv(self.features, window, self.stride, self.window // 2, dtype=self.dtype, name="conv")(x)
        return self.activation(batch_norm(train, name="norm")(y)).astype(self.dtype)


class Down(nn.Module):
    """`Same`, then means of 2 x 2 pixels."""

    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b *space i"], *, train: bool) -> Float[Array, "b *space_out o"]:
        y = Conv(self.features, (3,) * (x.ndim - 2), padding=1, dtype=self.dtype, name="conv")(x)
        y = nn.relu(batch_norm(train, name="norm")(y)).astype(self.dtype)
        pooled = average_pool(y.reshape(-1, *y.shape[-3:]), 2, 2)
        return pooled.reshape(*y.shape[:-3], *pooled.shape[1:])


class Up(nn.Module):
    """Twice the height and width by nearest pixels, convolution, norm, ReLU."""

    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b *space i"], *, train: bool) -> Float[Array, "b *space_out o"]:
        y = EnlargedConv(self.features, 2, self.dtype, name="conv")(x)
        return nn.relu(batch_norm(train, name="norm")(y)).astype(self.dtype)


class ResBlock(nn.Module):
    """x + conv(relu(norm(conv(relu(norm(x))))))."""

    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b *space c"], *, train: bool) -> Float[Array, "b *space c"]:
        y = x
        for k in (1, 2):
            y = nn.relu(batch_norm(train, name=f"norm_{k}")(y))
            y = Conv(x.shape[-1], (3,) * (x.ndim - 2), padding=1, dtype=self.dtype, name=f"conv_{k}")(y)
        return x + y
