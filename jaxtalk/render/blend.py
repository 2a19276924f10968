"""Soft edges: blurs and the mixing of layers whose masks came hard out of a rasteriser."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float


def smoothstep(low: float, high: float, value: Float[ArrayLike, "*b"]) -> Float[Array, "*b"]:
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


def wide_blur(image: Float[Array, "h w c"], deviation: Float[Array, ""]) -> Float[Array, "h w c"]:
    """Gaussian blur by a standard deviation (pixels) of about 4 or more, worked out at a quarter of the resolution."""
    height, width = (size // 4 for size in image.shape[:2])
    small = jax.image.resize(image, (height, width, image.shape[2]), "linear")
    small = jnp.einsum("yr,xs,rsc->yxc", _gauss(height, deviation / 4), _gauss(width, deviation / 4), small)
    return jax.image.resize(small, image.shape, "linear")


def _gauss(size, deviation):
    steps = jnp.arange(size) / jnp.maximum(deviation, 0.3)
    kernel = jnp.exp(-((steps[:, None] - steps[None]) ** 2) / 2)
    return kernel / kernel.sum(1, keepdims=True)
