"""Listening: speech to Motion with the shipped LipTCN and PoseVAE, in batches of fixed size whatever the length."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32

from jaxtalk.audio import mel, speech_windows
from jaxtalk.data import head_motion, phonemes
from jaxtalk.face import arkit
from jaxtalk.face.motion import Motion, resample
from jaxtalk.face.mouth import meet, touch
from jaxtalk.io import weights
from jaxtalk.models import audio2pose, lip_tcn

RATE = mel.RATE  # samples per second of what is listened to
POSE_FPS = 25.0  # what PoseVAE was trained at
MOUTH = np.array([name.startswith(("jaw", "mouth", "cheek", "nose", "tongue")) for name in arkit.NAMES])
PIECE = 64  # chunks of PoseVAE that are heard together: 82 s
NETWORKS = ("lip_tcn", "posevae")  # names of the shipped weights


def frame_count(samples: int, fps: float) -> int:
    """Frames that cover so many samples at RATE."""
    return max(1, int(np.ceil(samples * fps / RATE - 1e-6)))


def motion(
    wave: Float[np.ndarray, "n"],
    fps: float,
    *,
    blink: Float[np.ndarray, "t"],
    style: int,
    seed: int,
    lips: bool = True,
) -> Motion:
    """What a face does while it says `wave` (mono, at RATE); without `lips`, its mouth rests.

    `blink` is the closure of the lids in each of the `frame_count` frames, 0 open to 1 closed; `style` chooses one of
    the 46 ways to move the head; the same `seed` gives the same motion. Gaze and brows are drawn, not heard.
    """
    frames, spectrum = len(blink), mel.log_mel(jnp.asarray(wave))
    expression = jnp.where(MOUTH, mouth(spectrum, fps, frames) if lips else 0.0, eyes(blink, fps, seed))
    rotation, translation = head(spectrum, fps, frames, style=style, seed=seed)
    return Motion(expression, rotation, translation, fps, arkit.NAMES)


def eyes(blink: Float[np.ndarray, "t"], fps: float, seed: int) -> Float32[np.ndarray, "t 52"]:
    """Lids that close so far, with gaze and brows of a seed."""
    rng, nothing = np.random.default_rng([seed, 1]), head_motion.Accents(np.zeros(0), np.zeros(0))
    return head_motion.eyes(rng, np.arange(len(blink)) / fps, blink, nothing)


def mouth(spectrum: Float[Array, "n 80"], fps: float, frames: int) -> Float[Array, "t 52"]:
    """LipTCN's coefficients in [0, 1] for a portrait at rest; lips come as early as people's do."""
    config, variables = _lip_tcn()
    heard = lip_tcn.hear(config, variables["params"], np.asarray(speech_windows.normalise(spectrum)))
    return lips(heard, np.arange(frames) / fps + speech_windows.LEAD)


def lips(
    heard: tuple[Float[np.ndarray, "m 52"], Float[np.ndarray, "m p"]], seconds: Float[np.ndarray, "t"]
) -> Float[Array, "t 52"]:
    """What `lip_tcn.hear` gave as coefficients in [0, 1] at these moments of the sound, with lips that close."""
    expression, probability = heard
    column = seconds * mel.COLUMNS_PER_SECOND
    closing = probability[:, phonemes.CLOSURES].sum(-1, keepdims=True)
    moved = jnp.asarray(lip_tcn.at(expression, column)).clip(0.0, 1.0)
    return meet(touch(moved, jnp.asarray(lip_tcn.at(closing, column)[:, 0])))


def head(
    spectrum: Float[Array, "n 80"], fps: float, frames: int, *, style: int, seed: int
) -> tuple[Float[Array, "t 3"], Float[Array, "t 3"]]:
    """PoseVAE's rotation and translation relative to the first frame, smoothed as published."""
    model, _ = _posevae()
    count = max(2, int(np.ceil(frames * POSE_FPS / fps)))
    z = jax.random.normal(
        jax.random.key(seed), (1, audio2pose.chunks(count, model.config.sequence), model.config.latent)
    )
    poses = _poses(speech_windows.normalise(spectrum), count, style, z)
    poses = audio2pose.smooth(poses) * audio2pose.UNIT[None]
    poses = poses - poses[:1]
    whole = Motion(jnp.zeros((count, 0)), poses[:, :3], poses[:, 3:], POSE_FPS, ())
    whole = whole if fps == POSE_FPS else resample(whole, fps)
    place = jnp.minimum(jnp.arange(frames), len(whole) - 1)
    return whole.rotation[place], whole.translation[place]


def _poses(normalised, count: int, style: int, z) -> Float[Array, "t 6"]:
    """Poses of so many frames, PIECE chunks at a time, since what each frame hears takes room."""
    model, variables = _posevae()
    sequence, chunks = model.config.sequence, z.shape[1]
    bounds = [*range(0, max(1, chunks - 1), PIECE), chunks]  # the last piece is never less than a whole chunk
    parts = [jnp.zeros((1, audio2pose.POSE))]
    for first, last in itertools.pairwise(bounds):
        start, stop = sequence * first, min(sequence * last + 1, count)  # the first frame of a piece is known
        heard = speech_windows.windows(normalised, POSE_FPS, stop - start, start)
        parts.append(_posed(model, variables, heard[None], jnp.full(1, style), z[:, first:last])[0, 1:])
    return jnp.concatenate(parts)


@functools.partial(jax.jit, static_argnums=0)
def _posed(model, variables, windows, style, z):
    return audio2pose.generate(model, variables, jnp.zeros((1, audio2pose.POSE)), style, windows, z)


@functools.cache
def _lip_tcn():
    stored = weights.load(weights.shipped("lip_tcn"))
    settings = {**stored.config, "dilations": tuple(stored.config["dilations"])}
    return lip_tcn.Config(**settings), stored.variables


@functools.cache
def _posevae():
    stored = weights.load(weights.shipped("posevae"))
    return audio2pose.PoseVAE(audio2pose.Config(**stored.config)), stored.variables
