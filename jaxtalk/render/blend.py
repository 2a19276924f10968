"""Soft edges: blurs and the mixing of layers whose masks came hard out of a rasteriser."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


def smoothstep(low: float, high: float, value: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """0 below `low`, 1 above `high`, a smooth ramp between."""
    t = jnp.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def blur(image: Float[Array, "h w c"], rounds: int = 1) -> Float[Array, "h w c"]:
    """Convolution with [1 2 1] / 4 along both axes, `rounds` times; borders repeat. Its variance is rounds / 2."""
    for _ in range(rounds):
        for axis in (0, 1):
            padded = jnp.pad(image, [(int(axis == a), int(axis == a)) for a in range(3)], mode="edge")
            size = image.shape[axis]
            before, here, after = (lax.slice_in_dim(padded, k, k + size, axis=axis) for k in range(3))
            image = 0.25 * (before + after) + 0.5 * here
    return image
