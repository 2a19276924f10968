"""Cameras: from head space (metres, y up, z towards the viewer) to pixels (y down) and depth.

Both return screen coordinates (x, y, depth) with depth growing away from the viewer, as the rasteriser wants them.
Leading axes broadcast, so one camera may serve many frames.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


class WeakPerspective(NamedTuple):
    """Orthographic projection with one scale: what a telephoto portrait looks like, and the usual fitting model."""

    scale: Float[Array, "*b"]  # pixels per metre
    centre: Float[Array, "*b 2"]  # pixels: where the head's origin lands

    def project(self, points: Float[Array, "*b v 3"]) -> Float[Array, "*b v 3"]:
        """Screen coordinates; depth is minus z in metres."""
        return _screen(_per_point(self.scale, points), self.centre, points, -points[..., 2])


class Pinhole(NamedTuple):
    """Perspective camera on the z axis, looking at the head's origin from `distance`."""

    focal: Float[Array, "*b"]  # pixels
    centre: Float[Array, "*b 2"]  # pixels: principal point
    distance: Float[Array, "*b"]  # metres from the camera to the head's origin

    def project(self, points: Float[Array, "*b v 3"]) -> Float[Array, "*b v 3"]:
        """Screen coordinates; depth is the distance along the optical axis in metres (positive in front)."""
        depth = _per_point(self.distance, points) - points[..., 2]
        return _screen(_per_point(self.focal, points) / depth, self.centre, points, depth)


def _per_point(value, points):
    """One camera's number, with the axes of `points` but the last; explicit because rank promotion raises in tests."""
    value = jnp.asarray(value)
    return value.reshape((1,) * (points.ndim - 2 - value.ndim) + value.shape + (1,))


def _screen(zoom, centre, points, depth):
    x = _per_point(centre[..., 0], points) + zoom * points[..., 0]
    y = _per_point(centre[..., 1], points) - zoom * points[..., 1]
    return jnp.stack([x, y, depth], axis=-1)
