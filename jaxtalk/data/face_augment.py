"""What the landmark network sees: crops of renders, turned, shifted, on other backgrounds, and spoilt as videos spoil.

renders [b s s 4], landmarks, backgrounds --jitted--> crops [b 80 80 3], landmarks in the crop, face or not
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, UInt8

from jaxtalk.face.crop import Frame, crop_frame, resample, to_crop
from jaxtalk.face.mediapipe import MIRROR_68


class Crops(NamedTuple):
    image: Float[Array, "b n n 3"]
    landmarks: Float[Array, "b 68 2"]
    face: Bool[Array, "b"]


def grain(seed: int) -> Float[Array, "256 256 3"]:
    """Noise of standard deviation 1 for `make_crops`."""
    return jax.random.normal(jax.random.key(seed), (256, 256, 3))


def make_crops(
    key: Key[Array, ""],
    renders: UInt8[Array, "b s s 4"],
    landmarks: Float[Array, "b 68 2"],
    is_face: Bool[Array, "b"],
    backgrounds: UInt8[Array, "b n n 3"],
    grain: Float[Array, "m m 3"],
) -> Crops:
    """One random crop, as large as the backgrounds, of each render.

    Where `is_face` is false, or the crop is far off, the answer is: no face. `grain` is noise of standard deviation 1
    larger than a crop, of which each crop takes a random piece (drawing it afresh would cost more than the network).
    """
    # Compiled in three parts: in one, the compiler would compute each crop anew for every tap of the blur.
    cut, place, face = cut_out(jax.random.fold_in(key, 0), renders, landmarks, is_face, backgrounds.shape[1])
    image, place, face = compose(jax.random.fold_in(key, 1), cut, place, face, backgrounds)
    return Crops(spoil(jax.random.fold_in(key, 2), image, grain), place, face)


@functools.partial(jax.jit, static_argnames="size")
def cut_out(key, renders, landmarks, is_face, size):
    """Crops [b n n 4] in units of 0 to 1, their landmarks, and whether the face is in them."""

    def one(key, render, points, is_face):
        frame, good = _jitter(key, crop_frame(points))
        return resample(render, frame, size) / 255, to_crop(points, frame), is_face & good

    return jax.vmap(one)(jax.random.split(key, len(renders)), renders, landmarks, is_face)


@jax.jit
def compose(key, cut, landmarks, face, backgrounds):
    """Crops over backgrounds, every other one mirrored; now and then the background alone."""
    keys = jax.random.split(key, 3)
    mirrored = jax.random.bernoulli(keys[0], 0.5, (len(cut),))
    cut = jnp.where(mirrored[:, None, None, None], cut[:, :, ::-1], cut)
    flipped = jnp.stack([1 - landmarks[..., 0], landmarks[..., 1]], -1)[:, MIRROR_68]
    landmarks = jnp.where(mirrored[:, None, None], flipped, landmarks)
    behind = recolour(keys[1], backgrounds)
    empty = jax.random.bernoulli(keys[2], 0.06, (len(cut),))
    alpha = jnp.where(empty[:, None, None, None], 0.0, cut[..., 3:])
    return behind + (cut[..., :3] - behind) * alpha, landmarks, face & ~empty


def _jitter(key, frame):
    """A frame as detection or tracking would give it: a little off, or far off; and whether it is still near enough."""
    keys = jax.random.split(key, 5)
    kind = jax.random.uniform(keys[0])
    wide = kind < 0.35
    lost = kind > 0.93
    shift = jax.random.normal(keys[1], (2,)) * jnp.where(wide, 0.12, 0.035) + jnp.where(
        lost, jax.random.uniform(keys[2], (2,), minval=-0.8, maxval=0.8), 0.0
    )
    scale = jnp.exp(jax.random.normal(keys[3]) * jnp.where(lost, 0.6, jnp.where(wide, 0.2, 0.06)))
    angle = jax.random.normal(keys[4]) * jnp.where(wide, 0.35, 0.08)
    good = (jnp.abs(shift).max() < 0.35) & (jnp.abs(jnp.log(scale)) < 0.7)
    return Frame(frame.centre + shift * frame.side, frame.side * scale, frame.angle + angle), good


@jax.jit
def recolour(key: Key[Array, ""], images: UInt8[Array, "b n n 3"]) -> Float[Array, "b n n 3"]:
    """Backgrounds in other colours, from 0 to 1."""
    keys = jax.random.split(key)
    gain = jax.random.uniform(keys[0], (len(images), 1, 1, 3), minval=0.5, maxval=1.4)
    lift = jax.random.uniform(keys[1], (len(images), 1, 1, 1), minval=-0.2, maxval=0.2)
    return jnp.clip(images / 255 * gain + lift, 0, 1)


@jax.jit
def spoil(
    key: Key[Array, ""], images: Float[Array, "b n n 3"], grain: Float[Array, "m m 3"]
) -> Float[Array, "b n n 3"]:
    """Light that changes across the picture, occlusion, blur, noise, contrast, colour cast, grey."""
    keys = jax.random.split(key, len(images))
    return jax.vmap(lambda key, image: _spoil_one(key, image, grain))(keys, images)


def _spoil_one(key, image, grain):
    keys = iter(jax.random.split(key, 16))
    size = image.shape[0]
    grid = (jnp.mgrid[:size, :size] / size).transpose(1, 2, 0)

    slope = jax.random.normal(next(keys), (2,)) * 0.25
    image = image * jnp.exp((grid - 0.5) @ slope)[..., None]
    # A rectangle of one colour or of grain hides a part.
    low = jax.random.uniform(next(keys), (1, 1, 2), minval=-0.3, maxval=0.9)
    high = low + jax.random.uniform(next(keys), (1, 1, 2), minval=0.08, maxval=0.5)
    inside = ((grid > low) & (grid < high)).all(-1, keepdims=True) & jax.random.bernoulli(next(keys), 0.15)
    image = jnp.where(inside, jax.random.uniform(next(keys), (1, 1, 3)), image)

    sigma = jax.random.exponential(next(keys)) * jnp.array([1.0, 1.0]) * 0.6
    sigma = jnp.where(jax.random.bernoulli(next(keys), 0.2), sigma * jnp.array([3.0, 0.3]), sigma)
    image = _blur(_blur(image, sigma[0], 0), sigma[1], 1)
    corner = jax.random.randint(next(keys), (2,), 0, len(grain) - size)
    fine = jax.lax.dynamic_slice(grain, (corner[0], corner[1], 0), (size, size, 3))
    coarse = fine[: size // 4, : size // 4].repeat(4, 0).repeat(4, 1)  # what strong compression leaves
    strength = jax.random.exponential(next(keys), (2,)) * jnp.array([0.015, 0.008])
    image = image + strength[0] * fine + strength[1] * coarse

    gain = jnp.exp(jax.random.normal(next(keys), (1, 1, 3)) * 0.06 + jax.random.normal(next(keys)) * 0.25)
    image = jnp.clip(image * gain, 1e-3, 1) ** jnp.exp(jax.random.normal(next(keys)) * 0.25)
    grey = image.mean(-1, keepdims=True)
    return jnp.where(jax.random.bernoulli(next(keys), 0.1), grey, image)


def _blur(image, sigma, axis):
    """Gaussian of standard deviation `sigma` pixels over seven pixels."""
    taps = jnp.exp(-(jnp.arange(-3, 4) ** 2) / (2 * jnp.maximum(sigma, 0.05) ** 2))
    taps = taps / taps.sum()
    padded = jnp.pad(image, [(3, 3) if a == axis else (0, 0) for a in range(3)], mode="edge")
    length = image.shape[axis]
    return sum(taps[k] * jax.lax.slice_in_dim(padded, k, k + length, axis=axis) for k in range(7))
