"""How opaque something should be."""

import jax.numpy as jnp
from jaxtyping import Array, Float

_LEAST = 1e-4  # opacities are kept this far from 0 and 1, where logarithms end; so no slope is beyond 1e4


def surprise(opacity: Float[Array, "*p"], target: Float[Array, "*p"]) -> Float[Array, "*p"]:
    """Binary cross entropy of an opacity that should be `target`, both from 0 to 1."""
    sure = jnp.clip(opacity, _LEAST, 1 - _LEAST)
    return -(target * jnp.log(sure) + (1 - target) * jnp.log1p(-sure))


def entropy(opacity: Float[Array, "*p"]) -> Float[Array, "*p"]:
    """How undecided an opacity is between 0 and 1: RAD-NeRF's loss against half transparent heads."""
    return surprise(opacity, opacity)
