"""A portrait drawn by networks instead of warped: face-vid2vid, driven by SadTalker's coefficients or by our Motion.

    portrait --square--> picture --encode--> volume, canonical keypoints;   --its own row--> keypoints of the source
    Motion --rows, MappingNet--> keypoints of every frame --draw--> squares --stretch, paste--> frames of the region

Which of the two ways, `vid2vid_networks` tells by the folder. The portrait is encoded once.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from jaxtalk.errors import InputError
from jaxtalk.face import builtin, fit
from jaxtalk.face import rotation as rotations
from jaxtalk.face.motion import Motion, resample
from jaxtalk.io import image
from jaxtalk.models import keypoints, motion_mapping
from jaxtalk.render import paste, rest
from jaxtalk.systems import analyse, framing, moves, sadtalker, vid2vid_networks
from jaxtalk.systems.talk_options import Keys, TalkOptions
from jaxtalk.systems.vid2vid_networks import Networks

FPS = 25.0  # what MappingNets were trained at
STEP = 64  # frames whose keypoints are made in one call


class Encoded(NamedTuple):
    """A portrait ready to be drawn by networks."""

    networks: Networks
    framing: framing.Framing
    row: Float[np.ndarray, "c"]  # the portrait's own coefficients, as its MappingNet takes them
    rest: rest.Rest | None  # how its expression adds to that of our Motion; None for SadTalker's coefficients
    canonical: Float[Array, "1 k 3"]
    source: Float[Array, "1 k 3"]
    volume: Float[Array, "1 d h w c"]
    place: "Place"
    view: tuple[Keys, Keys, Keys]  # yaw, pitch, roll in degrees that stand in for the MappingNet's

    def tracks(self, motion: Motion) -> tuple[Float[np.ndarray, "t k 3"]]:
        """What `draw` takes: the keypoints of each frame of a motion."""
        driven = motion if motion.fps == FPS else resample(motion, FPS)
        points = _keypoints(self, _rows(self, driven))
        place = np.arange(len(motion)) * (FPS / motion.fps)
        low = np.clip(np.floor(place).astype(int), 0, len(driven) - 1)
        part = (place - low)[:, None, None].clip(0, 1).astype(np.float32)
        return ((1 - part) * points[low] + part * points[np.minimum(low + 1, len(driven) - 1)],)

    def draw(self, points: Float[Array | np.ndarray, "t k 3"]) -> UInt8[Array, "t h w 3"]:
        """Frames of the framed region."""
        network = self.networks.generator
        return _draw(network.module, self.place.shape, network.variables, self.volume, self.source, self.place, points)


class Place(NamedTuple):
    """Where drawn squares go."""

    around: Float[np.ndarray, "h w 3"]  # what the region shows, from 0 to 1
    membrane: paste.Membrane | None  # None where nothing is around the region

    @property
    def shape(self) -> tuple[int, int]:
        return self.around.shape[:2]


def portrait(options: TalkOptions) -> Encoded:
    """The face in the portrait, encoded and framed.

    Raises:
        InputError: the picture cannot be read or has no face, the folder lacks a network, or the size does not fit.
    """
    whole = options.crop.endswith("full")
    networks = vid2vid_networks.load(options.weights, whole)
    size = options.size or networks.size
    if size % networks.multiple:
        raise InputError(f"--size {size}: must be a multiple of {networks.multiple} with these networks")
    loaded = image.load(options.portrait)
    seen = framing.squeezed(loaded, analyse.landmarks(options, loaded), options.crop, size)
    row, resting = _own_row(networks, seen)
    detector, generator = networks.keypoints, networks.generator
    canonical = _detect(detector.module, detector.variables, seen.picture)
    volume = _encode(generator.module, generator.variables, seen.picture)
    around = seen.framing.face.astype(np.float32) / 255
    place = Place(around, paste.membrane(*around.shape[:2]) if whole else None)
    view = (options.yaw, options.pitch, options.roll) if networks.published else ((), (), ())
    encoded = Encoded(networks, seen.framing, row, resting, canonical, canonical, volume, place, ((), (), ()))
    source = _keypoints(encoded, row[None])
    return encoded._replace(source=source, view=view)


def _own_row(networks: Networks, seen: framing.Squeezed) -> tuple[Float[np.ndarray, "c"], rest.Rest | None]:
    """The portrait's own coefficients."""
    landmarks = seen.framing.landmarks.astype(np.float32)
    if networks.published:
        row = sadtalker.rows_of(networks.face_recon, [(seen.picture, landmarks)])[0]
        return row[: networks.mapping.config.coefficients], None
    model = builtin.model()
    fitted = fit.fit(model, jnp.asarray(landmarks))
    # The translation of a fit is where the head is before its camera; Motion's is where it is from its place.
    own = np.asarray(fitted.expression)
    row = np.concatenate([own.clip(0.0, 1.0), np.asarray(fitted.angles), np.zeros(3, np.float32)])
    return row, _resting(model, fitted.identity, fitted.expression)


@jax.jit
def _resting(model, identity, expression):
    neutral, basis = model.vertices(identity)[model.landmarks], model.expression[:, model.landmarks]
    return rest.analyse(model.expression_names, neutral, basis, expression)[0]


def _rows(encoded: Encoded, motion: Motion) -> Float[np.ndarray, "t c"]:
    """A motion as the MappingNet takes it."""
    if encoded.rest is None:
        return sadtalker.rows(encoded.row, motion)
    return np.asarray(_our_rows(encoded.row, encoded.rest, motion.expression, motion.rotation, motion.translation))


@jax.jit
def _our_rows(row, resting, expression, rotation, translation):
    count = expression.shape[1]
    total = jax.vmap(functools.partial(rest.add, resting))(expression)
    own = rotations.matrix(row[count : count + 3])
    angles = rotations.angles(own[None] @ rotations.matrix(rotation))
    return jnp.concatenate([total, angles, translation], 1)


def _keypoints(encoded: Encoded, rows: Float[np.ndarray, "t c"]) -> Float[np.ndarray, "t k 3"]:
    """The keypoints of each row of a clip; a single row is a clip that stands still."""
    network = encoded.networks.mapping
    axes = keypoints.SADTALKER_AXES if encoded.networks.published else np.ones(3, np.float32)
    view, reach = _view(encoded.view, len(rows)), network.config.window // 2
    parts = []
    for first in range(0, len(rows), STEP):
        place = np.clip(np.arange(first - reach, first + STEP + reach), 0, len(rows) - 1)
        here = view[place[reach : reach + STEP]]
        parts.append(_driven(network.module, network.variables, encoded.canonical, rows[place], here, axes))
    return np.concatenate(parts)[: len(rows)]


def _view(keys: tuple[Keys, Keys, Keys], frames: int) -> Float[np.ndarray, "t 3"]:
    """Key angles over the whole clip; NaN where there are none."""
    return np.stack([moves.over_time(each, frames, np.nan) for each in keys], -1).astype(np.float32)


@functools.partial(jax.jit, static_argnums=0)
def _driven(mapping: motion_mapping.MappingNet, variables, canonical, rows, view, axes) -> Float[Array, "t k 3"]:
    moved = mapping.apply(variables, rows[None])
    angles = jnp.where(jnp.isnan(view), moved.angles()[0], view)
    points = jnp.broadcast_to(canonical, moved.expression.shape[1:])
    translation = moved.translation[0] * jnp.broadcast_to(axes, moved.translation.shape[1:])
    return keypoints.transform(points, angles, translation, moved.expression[0])


@functools.partial(jax.jit, static_argnums=0)
def _detect(detector, variables, picture):
    return detector.apply(variables, _as_float(picture))[0]


@functools.partial(jax.jit, static_argnums=0)
def _encode(generator, variables, picture):
    return generator.apply(variables, _as_float(picture), method="encode")


def _as_float(picture: UInt8[Array, "s s 3"]) -> Float[Array, "1 s s 3"]:
    return picture[None].astype(jnp.float32) / 255


@functools.partial(jax.jit, static_argnums=(0, 1))
def _draw(generator, shape, variables, volume, source, place: Place, points):
    count = len(points)
    volume, source = (jnp.broadcast_to(one, (count, *one.shape[1:])) for one in (volume, source))
    drawn, _ = generator.apply(variables, volume, source, points, method="draw")
    drawn = paste.stretch(drawn, *shape)
    if place.membrane is not None:
        drawn = paste.paste(place.membrane, place.around, drawn)
    return jnp.round(255.0 * jnp.clip(drawn, 0.0, 1.0)).astype(jnp.uint8)
