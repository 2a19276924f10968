"""Texture lookup."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def sample(texture: Float[Array, "h w c"], uv: Float[Array, "*p 2"]) -> Float[Array, "*p c"]:
    """Bilinear lookup at uv in [0, 1], u to the right and v up (OpenGL); beyond the border the border's colour.

    Differentiable in texture and uv.
    """
    height, width = texture.shape[:2]
    return at(texture, jnp.stack([uv[..., 0] * width, (1 - uv[..., 1]) * height], -1))


def at(image: Float[Array, "h w c"], place: Float[Array, "*p 2"]) -> Float[Array, "*p c"]:
    """Bilinear lookup at pixel coordinates (x right, y down, first pixel centre at 0.5), clamped to the border."""
    height, width = image.shape[:2]
    x = jnp.clip(place[..., 0] - 0.5, 0.0, width - 1.0)
    y = jnp.clip(place[..., 1] - 0.5, 0.0, height - 1.0)
    left, top = jnp.floor(x).astype(jnp.int32), jnp.floor(y).astype(jnp.int32)
    right, bottom = jnp.minimum(left + 1, width - 1), jnp.minimum(top + 1, height - 1)
    x, y = (x - left)[..., None], (y - top)[..., None]
    upper = (1 - x) * image[top, left] + x * image[top, right]
    lower = (1 - x) * image[bottom, left] + x * image[bottom, right]
    return (1 - y) * upper + y * lower
