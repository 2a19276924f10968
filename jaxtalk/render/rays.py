"""Rays of a camera, and the piece of each that lies inside a box.

    camera, pixels [n 2] --through--> origin, direction [n 3] --box--> near, far [n]

Points are origin + t direction. Directions have unit length, so t is metres from the camera; the rasteriser's depth of
a point is `camera.project(point)[..., 2]`. Space is that of `jaxtalk.face.camera`: y up, z towards the viewer. A
Pinhole at distance 0 looks from the origin along -z: `moved` by a camera-to-world matrix that is NeRF's convention.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxtalk.face.camera import Pinhole

PARALLEL = 1e-15  # components of a direction below this count as this: no division by zero, and t stays finite


class Rays(NamedTuple):
    origin: Float[Array, "*b 3"]  # metres
    direction: Float[Array, "*b 3"]

    def at(self, distance: Float[Array, "*b s"]) -> Float[Array, "*b s 3"]:
        """Points at each distance along each ray."""
        return self.origin[..., None, :] + distance[..., None] * self.direction[..., None, :]


def pixels(height: int, width: int) -> Float[Array, "h w 2"]:
    """The centres (x, y) of a picture's pixels, at +0.5 as in the rasteriser."""
    return jnp.stack(jnp.meshgrid(jnp.arange(width) + 0.5, jnp.arange(height) + 0.5), -1)


def through(camera: Pinhole, pixels: Float[Array, "*b n 2"]) -> Rays:
    """Rays [*b n 3] from the camera through places on its picture: `camera.project` takes their points back there."""
    focal, distance = jnp.asarray(camera.focal), jnp.asarray(camera.distance)
    shift = (pixels - camera.centre[..., None, :]) / focal[..., None, None]
    direction = jnp.stack([shift[..., 0], -shift[..., 1], -jnp.ones_like(shift[..., 0])], -1)
    origin = jnp.zeros_like(direction).at[..., 2].set(distance[..., None])
    return Rays(origin, direction / jnp.linalg.norm(direction, axis=-1, keepdims=True))


def moved(rays: Rays, rotation: Float[Array, "*b 3 3"], translation: Float[Array, "*b 3"]) -> Rays:
    """Rays [*b n 3] after x -> rotation x + translation, as when a camera-to-world matrix moves the camera."""
    turn = lambda vectors: jnp.einsum("...ij,...nj->...ni", rotation, vectors, precision="highest")  # noqa: E731
    return Rays(turn(rays.origin) + translation[..., None, :], turn(rays.direction))


def relative(rays: Rays, rotation: Float[Array, "*b 3 3"], translation: Float[Array, "*b 3"]) -> Rays:
    """Rays [*b n 3] as a head sees them whose points are drawn at rotation x + translation: the inverse of `moved`."""
    back = jnp.swapaxes(rotation, -1, -2)
    return moved(rays, back, -jnp.einsum("...ij,...j->...i", back, translation, precision="highest"))


def box(
    rays: Rays, low: Float[Array, "3"], high: Float[Array, "3"], nearest: float = 0.05
) -> tuple[Float[Array, "*b"], Float[Array, "*b"]]:
    """Where each ray enters and leaves an axis-aligned box (slab method, Kay and Kajiya 1986); near >= `nearest`.

    A ray that misses, or that has the box behind it, gets an empty piece: far = near. So far > near tells who hits.
    """
    lead = (1,) * (rays.origin.ndim - 1)
    sign = jnp.where(jnp.signbit(rays.direction), -1.0, 1.0)
    slope = jnp.where(jnp.abs(rays.direction) < PARALLEL, PARALLEL * sign, rays.direction)
    first, second = ((face.reshape(*lead, 3) - rays.origin) / slope for face in (low, high))
    enter = jnp.minimum(first, second).max(-1)
    leave = jnp.maximum(first, second).min(-1)
    near = jnp.where(enter < leave, jnp.maximum(enter, nearest), nearest)
    return near, jnp.where(enter < leave, jnp.maximum(leave, near), near)
