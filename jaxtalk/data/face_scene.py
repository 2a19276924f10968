"""A still face of the corpus from all around, with exact depth: what radiance fields are tried on.

seed --identity, expression, painted skin--> mesh, lit from where the head itself says --cameras around it--> Views
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from jaxtalk.face import builtin, builtin_texture, rotation
from jaxtalk.face.camera import Pinhole
from jaxtalk.face.model import FaceModel, normals
from jaxtalk.render import face_picture, lighting, texture
from jaxtalk.render.rasterise import interpolate, rasterise

DISTANCE = 0.8  # metres from the camera to the head's origin
YAW, PITCH = np.deg2rad(70.0), np.deg2rad(25.0)  # how far cameras go around
SUPERSAMPLING = 4  # along each side
BACKGROUND = 1.0
_GAMMA = 2.2


class Views(NamedTuple):
    """Pictures of one scene. A point x of the head is drawn at rotation x + translation, in front of `camera`."""

    colour: UInt8[np.ndarray, "n s s 3"]
    depth: Float[np.ndarray, "n s s"]  # metres along the optical axis; infinite where nothing is seen
    rotation: Float[np.ndarray, "n 3 3"]
    translation: Float[np.ndarray, "n 3"]
    camera: Pinhole


def views(seed: int, count: int, size: int, first: int = 0) -> Views:
    """`count` views, from the `first` on, of the face number `seed`."""
    rng = np.random.default_rng([seed, 31])
    model, points, albedo = builtin.model(), _face(rng), _skin(rng)
    angles = np.array([_direction(k) for k in range(first, first + count)], np.float32)
    turned = np.asarray(rotation.matrix(jnp.asarray(angles)))
    large = size * SUPERSAMPLING
    camera = Pinhole(jnp.float32(1.1 * large * DISTANCE / 0.3), jnp.full(2, large / 2), jnp.float32(DISTANCE))
    pictures, depths = zip(*(_draw(model, points, albedo, turn, camera, large) for turn in turned), strict=True)
    return Views(
        np.stack([np.asarray(picture) for picture in pictures]),
        np.stack([np.asarray(depth) for depth in depths]),
        turned,
        np.zeros((count, 3), np.float32),
        Pinhole(camera.focal / SUPERSAMPLING, camera.centre / SUPERSAMPLING, camera.distance),
    )


def _direction(k: int) -> tuple[float, float, float]:
    """Pitch, yaw and no roll of the k-th view: additive recurrence (R2), so that any first few are spread evenly."""
    down, across = (0.5 + k * np.array([0.7548776662466927, 0.5698402909980532])) % 1
    return (2 * down - 1) * PITCH, (2 * across - 1) * YAW, 0.0


def _face(rng) -> Float[Array, "v 3"]:
    model = builtin.model()
    identity = jnp.asarray(rng.normal(0, 0.7, model.identity.shape[0]), jnp.float32)
    return model.vertices(identity)


def _skin(rng) -> Float[Array, "h w 3"]:
    painted = builtin_texture.paint(builtin_texture.sample_look(rng), rng)
    return jnp.asarray(painted**_GAMMA, jnp.float32)


@functools.partial(jax.jit, static_argnames="large")
def _draw(
    model: FaceModel,
    points: Float[Array, "v 3"],
    albedo: Float[Array, "h w 3"],
    turn: Float[Array, "3 3"],
    camera: Pinhole,
    large: int,
) -> tuple[UInt8[Array, "s s 3"], Float[Array, "s s"]]:
    seen = rasterise(camera.project(points @ turn.T), model.triangles, large, large, perspective=True)
    normal = interpolate(seen, model.triangles, normals(points, model.triangles))
    normal = normal / jnp.maximum(jnp.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
    colour = texture.sample(albedo, interpolate(seen, model.uv_triangles, model.uv))
    lit = jnp.clip(lighting.shade(normal, colour, jnp.asarray(face_picture.LIGHT)), 0.0, 1.0) ** (1 / _GAMMA)
    picture = jnp.where((seen.triangle >= 0)[..., None], lit, BACKGROUND)
    size = large // SUPERSAMPLING
    small = picture.reshape(size, SUPERSAMPLING, size, SUPERSAMPLING, 3).mean((1, 3))
    middle = seen.depth[SUPERSAMPLING // 2 :: SUPERSAMPLING, SUPERSAMPLING // 2 :: SUPERSAMPLING]
    return (255 * small + 0.5).astype(jnp.uint8), middle
