"""Plain pictures of a face model: a textured or coloured mesh, soft studio light, one colour behind it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from jaxtalk.face.camera import WeakPerspective
from jaxtalk.face.model import FaceModel, normals, pose
from jaxtalk.render import lighting, texture
from jaxtalk.render.rasterise import interpolate, rasterise

SUPERSAMPLING = 2  # along each side
VIEW = 0.29  # metres that the picture shows
LOWER = 0.008  # metres by which the head's origin lies above the picture's middle
COLLAR = -0.09  # metres: below this height the neck goes more and more with the body
BACKGROUND = 0.85  # linear light
# Spherical harmonics: from everywhere, then from above, from the viewer and, warmer, from the right.
LIGHT = np.array([[2.3] * 3, [0.55] * 3, [1.0] * 3, [0.75, 0.7, 0.62]] + [[0.0] * 3] * 5, np.float32)
_GAMMA = 2.2


@functools.partial(jax.jit, static_argnames="size")
def draw(
    model: FaceModel,
    vertices: Float[Array, "t v 3"],
    angles: Float[Array, "t 3"],
    translation: Float[Array, "t 3"],
    albedo: Float[Array, "h w 3"] | Float[Array, "v 3"],
    size: int,
) -> UInt8[Array, "t size size 3"]:
    """Square pictures of a face model's vertices, turned and moved; the foot of the neck goes with the body.

    `albedo` in linear light is a texture for the model's uv, or one colour for each vertex.
    """
    large = size * SUPERSAMPLING
    middle = jnp.array([large / 2, large * (0.5 - LOWER / VIEW)])
    camera = WeakPerspective(jnp.float32(large / VIEW), middle)
    foot = jnp.clip((COLLAR - model.template[:, 1:2]) / 0.05, 0.0, 1.0)

    def one(vertices, angles, translation):
        vertices = (1 - foot) * pose(vertices, angles, translation) + foot * vertices
        seen = rasterise(camera.project(vertices), model.triangles, large, large)
        normal = interpolate(seen, model.triangles, normals(vertices, model.triangles))
        normal = normal / jnp.maximum(jnp.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
        if albedo.ndim == 2:
            colour = interpolate(seen, model.triangles, albedo)
        else:
            colour = texture.sample(albedo, interpolate(seen, model.uv_triangles, model.uv))
        lit = lighting.shade(normal, colour, jnp.asarray(LIGHT))
        picture = jnp.where((seen.triangle >= 0)[..., None], lit, jnp.float32(BACKGROUND))
        picture = jnp.clip(picture, 0.0, 1.0).reshape(size, SUPERSAMPLING, size, SUPERSAMPLING, 3).mean((1, 3))
        return (255 * picture ** (1 / _GAMMA) + 0.5).astype(jnp.uint8)

    return jax.vmap(one)(vertices, angles, translation)
