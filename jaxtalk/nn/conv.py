"""The convolution layer of every network, channels last: [b, *space, i] with kernel [*window, i, o] -> [b, *space, o].

Padding is counted on each side, as the papers and PyTorch do.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

Extent = int | Sequence[int]  # one number for all axes, or one for each


def convolve(
    x: Float[Array, "b *space i"], kernel: Float[Array, "*window i o"], stride: Extent = 1, padding: Extent = 0
) -> Float[Array, "b *space_out o"]:
    """Cross-correlation over one or two spatial axes: y[p] = sum_k x[stride p + k - padding] kernel[k]."""
    axes = x.ndim - 2
    space = "HW"[-axes:]
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=_each(stride, axes),
        padding=[(p, p) for p in _each(padding, axes)],
        dimension_numbers=(f"N{space}C", f"{space}IO", f"N{space}C"),
    )


class Conv(nn.Module):
    """Convolution with a bias: parameters `kernel` [*window, i, o] and `bias` [o] in float32."""

    features: int
    window: Sequence[int]  # its length says over how many axes
    stride: Extent = 1
    padding: Extent = 0
    bias: bool = True
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b *space i"]) -> Float[Array, "b *space_out o"]:
        shape = (*self.window, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape, jnp.float32)
        y = convolve(x.astype(self.dtype), jnp.asarray(kernel, self.dtype), self.stride, self.padding)
        if self.bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
            y = y + jnp.broadcast_to(jnp.asarray(bias, self.dtype), y.shape)
        return y


def _each(extent: Extent, axes: int) -> tuple[int, ...]:
    return (extent,) * axes if isinstance(extent, int) else tuple(extent)
