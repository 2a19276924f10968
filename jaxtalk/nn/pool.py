"""Pooling over one to three axes, channels last, with PyTorch's rules of padding, rounding and counting.

Windows are taken one axis after the other, as maxima or sums of shifted slices. Gradients of XLA's own windows
(`reduce_window`) took 2 to 30 times as long on a CPU (two busy cores, pictures of VGG's and Inception's size).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxtalk.errors import InputError


def max_pool(
    x: Float[Array, "b *space c"], window: int, stride: int, padding: int = 0, ceil: bool = False
) -> Float[Array, "b *space_out c"]:
    """Largest value of each window; padding never wins. Of equal values the first has the gradient, as in PyTorch.

    `ceil` keeps a last window that hangs over the end, as long as it starts before it.
    """
    for axis in range(x.ndim - 2, 0, -1):  # the last axis first, so that the first value in memory wins
        x = _slide(_larger, -jnp.inf, x, axis, window, stride, padding, ceil)
    return x


def average_pool(
    x: Float[Array, "b *space c"],
    window: int,
    stride: int,
    padding: int = 0,
    ceil: bool = False,
    count_padding: bool = True,
) -> Float[Array, "b *space_out c"]:
    """Mean of each window. Padding is zeros, and counts among the values only with `count_padding`.

    What a window of `ceil` has beyond the padding never counts.
    """
    for axis in range(1, x.ndim - 1):
        size, margin = x.shape[axis], padding if count_padding else 0
        x = _slide(jnp.add, 0.0, x, axis, window, stride, padding, ceil)
        places = stride * np.arange(x.shape[axis])[:, None] + np.arange(window) - padding
        count = ((places >= -margin) & (places < size + margin)).sum(1)
        x = x / jnp.asarray(count, x.dtype).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    return x


def _larger(a, b):
    return jnp.where((b > a) | jnp.isnan(b), b, a)


def _slide(combine, empty, x, axis, window, stride, padding, ceil):
    """`combine` over each window of one axis."""
    size = x.shape[axis]
    room = size + 2 * padding - window
    outputs = (-(-room // stride) if ceil else room // stride) + 1
    if ceil and (outputs - 1) * stride >= size + padding:  # it would start behind the end
        outputs -= 1
    if outputs < 1:
        raise InputError(f"a picture gives {size} values here, too few for a window of {window}; give a larger picture")
    end = (outputs - 1) * stride + window - size - padding
    sides = [(padding, max(padding, end)) if i == axis else (0, 0) for i in range(x.ndim)]
    x = jnp.pad(x, sides, constant_values=empty)
    reach = (outputs - 1) * stride + 1
    return functools.reduce(combine, (jax.lax.slice_in_dim(x, j, j + reach, stride, axis) for j in range(window)))
