"""The square of a picture that belongs to one face, turned so that its eyes are level: networks look at such crops."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Num

MARGIN = 1.35  # side of a crop over the longer side of the upright bounding box of its 68 points


class Frame(NamedTuple):
    """A turned square in a picture."""

    centre: Float[Array, "*b 2"]  # pixels
    side: Float[Array, "*b"]  # pixels
    angle: Float[Array, "*b"]  # radians; the crop's x axis turned clockwise in the picture (y points down)


def crop_frame(landmarks: Float[Array, "*b 68 2"]) -> Frame:
    """The upright square around 68 points: eyes level, the points' bounding box in the middle."""
    across = landmarks[..., 42:48, :].mean(-2) - landmarks[..., 36:42, :].mean(-2)
    angle = jnp.arctan2(across[..., 1], across[..., 0])
    # A profile's eyes are close together: then the line from brows to chin says more about what is upright.
    down = landmarks[..., 8, :] - landmarks[..., 27, :]
    upright = jnp.arctan2(-down[..., 0], down[..., 1])
    weight = jnp.clip(2 * jnp.hypot(across[..., 0], across[..., 1]) / jnp.hypot(down[..., 0], down[..., 1]) - 0.2, 0, 1)
    difference = (angle - upright + jnp.pi) % (2 * jnp.pi) - jnp.pi
    angle = upright + weight * difference
    turned = turn(landmarks, -angle[..., None])
    low, high = turned.min(-2), turned.max(-2)
    centre = turn(((low + high) / 2)[..., None, :], angle[..., None])[..., 0, :]
    return Frame(centre, MARGIN * (high - low).max(-1), angle)


def turn(points: Float[Array, "*b n 2"], angle: Float[Array, "*b 1"]) -> Float[Array, "*b n 2"]:
    """Points turned clockwise (as y points down) about the picture's corner."""
    c, s = jnp.cos(angle), jnp.sin(angle)
    x, y = points[..., 0], points[..., 1]
    return jnp.stack([c * x - s * y, s * x + c * y], axis=-1)


def to_crop(points: Float[Array, "*b n 2"], frame: Frame) -> Float[Array, "*b n 2"]:
    """Pixels of the picture to units of the crop."""
    offset = points - frame.centre[..., None, :]
    return turn(offset, -frame.angle[..., None]) / frame.side[..., None, None] + 0.5


def from_crop(points: Float[Array, "*b n 2"], frame: Frame) -> Float[Array, "*b n 2"]:
    """Units of the crop to pixels of the picture."""
    offset = (points - 0.5) * frame.side[..., None, None]
    return turn(offset, frame.angle[..., None]) + frame.centre[..., None, :]


def resample(picture: Num[Array, "h w c"], frame: Frame, size: int) -> Float[Array, "size size c"]:
    """The pixels of a crop, bilinear; the picture's border continues outwards."""
    y, x = jnp.mgrid[:size, :size]
    grid = (jnp.stack([x, y], -1).reshape(-1, 2) + 0.5) / size
    place = from_crop(grid, frame) - 0.5
    h, w, _ = picture.shape
    place = jnp.clip(place, 0.0, jnp.array([[w - 1.001, h - 1.001]]))
    corner = jnp.floor(place).astype(jnp.int32)
    fx, fy = (place - corner).T[..., None]
    x0, y0 = corner.T
    top = picture[y0, x0] * (1 - fx) + picture[y0, x0 + 1] * fx
    bottom = picture[y0 + 1, x0] * (1 - fx) + picture[y0 + 1, x0 + 1] * fx
    return (top * (1 - fy) + bottom * fy).reshape(size, size, -1)
