"""Spectral norm in training (Miyato et al., ICLR 2018): a kernel divided by its largest singular value.

    W [window i, o] = kernel as a matrix;  v = unit(W u);  u = unit(W^T v);  kernel / (v^T W u)

Each training step moves `u` by one such round, as in PyTorch. Published weights have the division done already.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.conv import convolve


class SpectralConv(nn.Module):
    """`Conv(features, window)` whose kernel has the spectral norm 1; `u` is in "batch_stats"."""

    features: int
    window: Sequence[int]
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b *space i"], *, train: bool) -> Float[Array, "b *space_out o"]:
        shape = (*self.window, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, shape[-1:], jnp.float32)
        start = nn.initializers.normal(1.0)
        u = self.variable("batch_stats", "u", lambda: start(self.make_rng("params"), shape[-1:], jnp.float32))
        kernel, moved = divide(jnp.asarray(kernel), u.value)
        if train and not self.is_initializing():
            u.value = moved
        y = convolve(x.astype(self.dtype), kernel.astype(self.dtype))
        return y + jnp.broadcast_to(jnp.asarray(bias, self.dtype), y.shape)


def divide(
    kernel: Float[Array, "*window i o"], u: Float[Array, "o"]
) -> tuple[Float[Array, "*window i o"], Float[Array, "o"]]:
    """The kernel over v^T W u, in which u and v are constants, and the next u."""
    matrix = kernel.reshape(-1, kernel.shape[-1])
    v = _unit(jax.lax.stop_gradient(matrix) @ u)
    u = _unit(v @ jax.lax.stop_gradient(matrix))
    return kernel / (v @ matrix @ u), u


def fold(variables: dict) -> dict:
    """{"params": ...} with the kernels of every SpectralConv divided: for the same network with `Conv`."""

    def folded(params, stats):
        if "u" in stats:
            return {**params, "kernel": divide(params["kernel"], stats["u"])[0]}
        return {name: folded(value, stats[name]) if name in stats else value for name, value in params.items()}

    return {"params": folded(variables["params"], variables.get("batch_stats", {}))}


def _unit(vector):
    return vector / jnp.sqrt(jnp.maximum(jnp.sum(vector**2), 1e-24))
