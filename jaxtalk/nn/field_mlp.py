"""What grids of radiance fields are read by: perceptrons without biases, and density as an exponential."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float


class Mlp(nn.Module):
    """Linear layers without biases, a ReLU between them. Inputs that all rows share may be given apart, as a vector."""

    widths: tuple[int, ...]
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "n i"], shared: Float[Array, "j"] | None = None) -> Float[Array, "n o"]:
        """In rows the shared inputs come last."""
        x = x.astype(self.dtype)
        for k, width in enumerate(self.widths):
            told = 0 if shared is None or k else len(shared)
            kernel = self.param(f"kernel_{k}", _he, (x.shape[-1] + told, width), jnp.float32).astype(self.dtype)
            own, common = jnp.split(kernel, [x.shape[-1]])
            x = x @ own
            if told:  # one row's work instead of n
                x = x + (shared.astype(self.dtype) @ common)[None]
            x = nn.relu(x) if k + 1 < len(self.widths) else x
        return x.astype(jnp.float32)


_he = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")  # PyTorch's for linear layers


@jax.custom_jvp
def truncated_exp(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """exp(x), whose slope is that of exp within plus and minus 15, so that no gradient overflows (instant-ngp)."""
    return jnp.exp(x)


@truncated_exp.defjvp
def _truncated_exp_jvp(primals, tangents):
    (x,), (dx,) = primals, tangents
    return jnp.exp(x), jnp.exp(jnp.clip(x, -15, 15)) * dx
