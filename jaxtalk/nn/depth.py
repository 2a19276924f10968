"""Channels of a picture as a volume and back, in the published order: depth is the faster axis of the channels."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def deepen(x: Float[Array, "b h w cd"], depth: int) -> Float[Array, "b d h w c"]:
    """Channel c * depth + d becomes channel c at depth d."""
    return jnp.moveaxis(x.reshape(*x.shape[:-1], -1, depth), -1, 1)


def flatten_depth(x: Float[Array, "b d h w c"]) -> Float[Array, "b h w cd"]:
    """The inverse of `deepen`."""
    x = jnp.moveaxis(x, 1, -1)
    return x.reshape(*x.shape[:3], -1)
