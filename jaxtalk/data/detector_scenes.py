"""What the face detector sees: backgrounds with up to two rendered heads of any size, and where their faces are.

renders [b 2 s s 4], landmarks, backgrounds --jitted--> pictures [b n n 3], faces [b 2]: middle, side, shown or not
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, UInt8

from jaxtalk.data.face_augment import recolour, spoil
from jaxtalk.face.crop import MARGIN, crop_frame, turn

SMALLEST, LARGEST = 11.0, 44.0  # pixels: side of a face


class Scenes(NamedTuple):
    picture: Float[Array, "b n n 3"]
    middle: Float[Array, "b k 2"]  # pixels
    side: Float[Array, "b k"]  # pixels
    shown: Bool[Array, "b k"]


def make_scenes(
    key: Key[Array, ""],
    renders: UInt8[Array, "b k s s 4"],
    landmarks: Float[Array, "b k 68 2"],
    is_face: Bool[Array, "b k"],
    backgrounds: UInt8[Array, "b n n 3"],
    grain: Float[Array, "m m 3"],
) -> Scenes:
    """Random scenes; heads whose `is_face` is false are drawn but not to be found."""
    keys = jax.random.split(key, 3)
    count, heads = is_face.shape
    size = backgrounds.shape[1]
    picture = recolour(keys[0], backgrounds)
    placed = []
    for k in range(heads):
        own = jax.random.split(jax.random.fold_in(keys[1], k), count)
        head, place = _place(own, renders[:, k], landmarks[:, k], 0.85 if k == 0 else 0.35, size)
        picture = _over(picture, head)
        placed.append(place)
    middle, side, there = (jnp.stack(values, axis=1) for values in zip(*placed, strict=True))
    shown = there & is_face & ((middle > 0) & (middle < size)).all(-1)
    for k in range(heads - 1):  # a later head may hide an earlier one
        near = jnp.linalg.norm(middle[:, k + 1 :] - middle[:, k : k + 1], axis=-1) < 0.8 * side[:, k + 1 :]
        shown = shown.at[:, k].set(shown[:, k] & ~(near & there[:, k + 1 :]).any(-1))
    return Scenes(spoil(keys[2], picture, grain), middle, side, shown)


@jax.jit
def _over(picture, head):
    return picture + (head[..., :3] - picture) * head[..., 3:]


@functools.partial(jax.jit, static_argnames="size")
def _place(keys, renders, landmarks, chance, size):
    """One head for each scene: its pixels [b n n 4], and (middle, side, whether it is there)."""
    return jax.vmap(lambda key, render, points: _paste(key, render, points, chance, size))(keys, renders, landmarks)


def _paste(key, render, points, chance, size):
    """A head in an empty picture, with a body that goes on below the render's edge."""
    keys = jax.random.split(key, 5)
    edge = len(render)
    frame = crop_frame(points)
    side = SMALLEST * (LARGEST / SMALLEST) ** jax.random.uniform(keys[0])
    scale = frame.side / MARGIN / side  # render's pixels per picture's pixel
    angle = jax.random.normal(keys[1]) * 0.25
    middle = jax.random.uniform(keys[2], (2,), minval=-0.1, maxval=1.1) * size
    there = jax.random.bernoulli(keys[3], chance)

    y, x = jnp.mgrid[:size, :size] + 0.5
    offset = (jnp.stack([x, y], -1).reshape(-1, 2) - middle[None]) * scale
    offset = offset * jnp.where(jax.random.bernoulli(keys[4]), jnp.array([[-1.0, 1.0]]), 1.0)  # mirrored or not
    place = turn(offset, angle[None]) + frame.centre[None]
    outside = (place[:, 0] < 1) | (place[:, 0] > edge - 1) | (place[:, 1] < 1)
    head = _average(render, place, scale) / 255
    head = head.at[:, 3].multiply(~outside & there)
    return head.reshape(size, size, 4), (middle, side, there)


def _average(render, place, scale):
    """Mean of four samples spread over a pixel's footprint (the render is larger than the picture)."""
    edge = len(render)
    total = jnp.zeros((len(place), 4))
    for dx, dy in ((-0.25, -0.25), (-0.25, 0.25), (0.25, -0.25), (0.25, 0.25)):
        index = jnp.clip((place + scale * jnp.array([[dx, dy]])).astype(jnp.int32), 0, edge - 1)
        total = total + render[index[:, 1], index[:, 0]]
    return total / 4
