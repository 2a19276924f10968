"""Crops as Deep3DFaceRecon sees them, from pictures with landmarks: moved and turned a little, spoilt as videos spoil.

pictures [b s s 4], landmarks, backgrounds --jitted--> Crops
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, UInt8

from jaxtalk.data import face_augment
from jaxtalk.face import recon_crop
from jaxtalk.face.crop import Frame, resample, to_crop
from jaxtalk.face.mediapipe import MIRROR_68

SHIFT, GROW, TURN = 10 / recon_crop.SIZE, 0.1, 0.175  # of a crop's side; relative; radians: the published limits


class Crops(NamedTuple):
    image: Float[Array, "b n n 3"]  # RGB from 0 to 1
    landmarks: Float[Array, "b 68 2"]  # pixels of the published crop of 224


def frame(landmarks: Float[Array, "68 2"]) -> Frame:
    """The crop of a face, without the published rounding to whole pixels."""
    where = recon_crop.align(landmarks)
    return Frame(where.centre, recon_crop.SIZE / where.scale, jnp.zeros(()))


@functools.partial(jax.jit, static_argnames="size")
def plain(renders: UInt8[Array, "b s s 4"], landmarks: Float[Array, "b 68 2"], size: int) -> Crops:
    """Crops of `size` pixels as they are, black where a render is transparent."""
    cut, points = _cut(renders, landmarks, jax.vmap(frame)(landmarks), size)
    return Crops(cut[..., :3] * cut[..., 3:], points)


def spoilt(
    key: Key[Array, ""],
    renders: UInt8[Array, "b s s 4"],
    landmarks: Float[Array, "b 68 2"],
    backgrounds: UInt8[Array, "b n n 3"],
    grain: Float[Array, "m m 3"],
) -> Crops:
    """A random crop of each render, as large as the backgrounds; every other one mirrored.

    `grain` is that of `face_augment.grain`.
    """
    # In two parts, as in `face_augment`: the compiler would compute each crop anew for every tap of the blur.
    crops = _random(jax.random.fold_in(key, 0), renders, landmarks, backgrounds)
    return crops._replace(image=face_augment.spoil(jax.random.fold_in(key, 1), crops.image, grain))


@jax.jit
def _random(key, renders, landmarks, backgrounds):
    keys = jax.random.split(key, 3)
    frames = jax.vmap(_jitter)(jax.random.split(keys[0], len(renders)), jax.vmap(frame)(landmarks))
    cut, points = _cut(renders, landmarks, frames, backgrounds.shape[1])
    behind = face_augment.recolour(keys[1], backgrounds)
    image = behind + (cut[..., :3] - behind) * cut[..., 3:]
    mirrored = jax.random.bernoulli(keys[2], 0.5, (len(cut), 1, 1))
    flipped = jnp.stack([recon_crop.SIZE - points[..., 0], points[..., 1]], -1)[:, MIRROR_68]
    return Crops(jnp.where(mirrored[..., None], image[:, :, ::-1], image), jnp.where(mirrored, flipped, points))


def _jitter(key, frame):
    keys = jax.random.split(key, 3)
    shift = jax.random.uniform(keys[0], (2,), minval=-SHIFT, maxval=SHIFT)
    grow = jax.random.uniform(keys[1], (), minval=1 - GROW, maxval=1 + GROW)
    turn = jax.random.uniform(keys[2], (), minval=-TURN, maxval=TURN)
    return Frame(frame.centre + shift * frame.side, frame.side / grow, frame.angle + turn)


def _cut(renders, landmarks, frames, size):
    """Crops [b n n 4] from 0 to 1, landmarks in pixels of 224."""
    cut = jax.vmap(functools.partial(resample, size=size))(renders, frames) / 255
    return cut, recon_crop.SIZE * jax.vmap(to_crop)(landmarks, frames)
