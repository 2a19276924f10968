"""GeneFace's way from speech to one person's landmarks and head, with networks of ours or converted ones.

speech --ear--> rows --Audio2Motion, PostNet--> motion --+ neutral points, LLE, clamp, smoothing--> points [t, 68, 3]
               rows --Audio2Pose--> pose [t, 6]

All functions are pure; what they need is loaded by `audio2motion`, `postnet` and `pose_wavenet`.
"""

import dataclasses
import functools
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32

from jaxtalk.audio import mel, speech_windows
from jaxtalk.data import talking_motion
from jaxtalk.errors import InputError
from jaxtalk.face import landmark_projection
from jaxtalk.face.landmarks import INNER_LIPS
from jaxtalk.io import weights
from jaxtalk.models import audio2motion as audio2motion_model
from jaxtalk.models import motion_postnet, motion_sync_net, pose_wavenet
from jaxtalk.systems import motion_ear

FPS = talking_motion.FPS
POSE_UNIT = np.array([0.1, 0.1, 0.1, 0.01, 0.01, 0.01], np.float32)  # radians, metres: all six are about 1
_LENGTH = 128  # frames; clips are filled up to a multiple of it, so that few lengths are compiled


class Audio2Motion(NamedTuple):
    """The network that learnt from many people."""

    network: audio2motion_model.Audio2Motion
    variables: dict


class PostNet(NamedTuple):
    """The one that learnt from one person."""

    network: motion_postnet.MotionPostNet
    variables: dict


class Audio2Pose(NamedTuple):
    """The one that turns the head."""

    network: pose_wavenet.PoseWaveNet
    variables: dict


@dataclasses.dataclass(frozen=True, kw_only=True)
class Known:
    """What of a person the landmarks must agree with; from `data.person_video`, the frames that were learnt from."""

    neutral: Float32[np.ndarray, "68 3"]  # metres, before the pose
    points: Float32[np.ndarray, "n 68 3"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manner:
    """How the motion is drawn and kept near the person's own."""

    temperature: float = 0.0
    """Of the noise that the prior is given; 0 is its mode, and always the same."""
    amount: float = 1.0
    """Factor on the motion."""
    projected: float = 1.0
    """Share of the way to what the person's own frames can make (LLE), 0 to 1."""
    limit: float = landmark_projection.LIMIT
    """Standard deviations from the person's mean beyond which points are cut off."""
    smooth: float = 0.5
    """Frames, of a Gaussian over time; 0 is none."""
    seed: int = 0


def audio2motion(path: Path) -> Audio2Motion:
    """From what `configs/audio2motion.py` wrote."""
    stored = weights.load(path)
    network = audio2motion_model.Audio2Motion(weights.config(audio2motion_model.Config, stored))
    return Audio2Motion(network, stored.variables)


def postnet(path: Path) -> PostNet:
    """From what `configs/motion_postnet.py` wrote."""
    stored = weights.load(path)
    return PostNet(motion_postnet.MotionPostNet(weights.config(motion_postnet.Config, stored)), stored.variables)


def expert(path: Path) -> tuple[motion_sync_net.MotionSyncNet, dict]:
    """From what `configs/motion_sync.py` wrote."""
    stored = weights.load(path)
    return motion_sync_net.MotionSyncNet(weights.config(motion_sync_net.Config, stored)), stored.variables


def audio2pose(path: Path) -> Audio2Pose:
    """From what `configs/pose_wavenet.py` wrote."""
    stored = weights.load(path)
    return Audio2Pose(pose_wavenet.PoseWaveNet(weights.config(pose_wavenet.Config, stored)), stored.variables)


def rows(wave: Float[np.ndarray, "n"], frames: int, ear: motion_ear.Ear) -> Float32[np.ndarray, "r f"]:
    """What is heard of speech (mono, 16 kHz) where `frames` frames are seen."""
    spectrum = np.asarray(speech_windows.normalise(mel.log_mel(jnp.asarray(wave))))
    return ear(spectrum, talking_motion.row_seconds(frames, speech_windows.LEAD))


def generate(
    talker: Audio2Motion,
    sound: Float[np.ndarray, "r f"],
    corrected: PostNet | None = None,
    *,
    temperature: float = 0.0,
    seed: int = 0,
) -> Float32[np.ndarray, "t 204"]:
    """The motion for rows of sound, in units of `talking_motion.UNIT`."""
    config, frames = talker.network.config, len(sound) // talking_motion.ROWS
    if sound.shape[-1] != config.features:
        raise InputError(
            f"Audio2Motion hears rows of {config.features} numbers, not of {sound.shape[-1]}; choose its ear"
        )
    length = frames + -frames % _LENGTH
    filled = np.zeros((1, talking_motion.ROWS * length, sound.shape[-1]), np.float32)
    filled[0, : talking_motion.ROWS * frames] = sound[: talking_motion.ROWS * frames]
    mask = (np.arange(length) < frames).astype(np.float32)[None]
    shape = (1, audio2motion_model.latents(config, length), config.latent)
    noise = temperature * jax.random.normal(jax.random.key(seed), shape)
    network = corrected.network if corrected else None
    variables = (talker.variables, corrected.variables if corrected else {})
    return np.asarray(_generate(talker.network, network, variables, jnp.asarray(filled), jnp.asarray(mask), noise))[
        :frames
    ]


@functools.partial(jax.jit, static_argnums=(0, 1))
def _generate(talker, corrected, variables, sound, mask, noise):
    motion = talker.apply(variables[0], mask, sound, noise, method="generate")
    return (motion if corrected is None else corrected.apply(variables[1], motion, mask))[0]


def points(
    talker: Audio2Motion,
    sound: Float[np.ndarray, "r f"],
    person: Known,
    corrected: PostNet | None = None,
    manner: Manner = Manner(),
) -> Float[Array, "t 68 3"]:
    """The person's 68 points before the pose, in metres, 25 frames a second."""
    motion = generate(talker, sound, corrected, temperature=manner.temperature, seed=manner.seed)
    said = person.neutral + manner.amount * talking_motion.UNIT * motion.reshape(-1, 68, 3)
    seen = jnp.asarray(person.points.reshape(len(person.points), -1))
    kept = landmark_projection.project(jnp.asarray(said.reshape(len(said), -1)), seen, manner.projected)
    mean, spread = jnp.asarray(person.points.mean(0)), jnp.asarray(person.points.std(0))
    clamped = landmark_projection.clamp(kept.reshape(said.shape), mean, spread, manner.limit)
    return landmark_projection.smooth(clamped, manner.smooth)


def pose(
    mover: Audio2Pose, sound: Float[np.ndarray, "r f"], *, scale: float = 0.3, smooth: float = 2.0, seed: int = 0
) -> Float32[np.ndarray, "t 6"]:
    """Rotation (radians) and translation (metres) about the person's mean pose, where it begins.

    `scale`: of the deviations that are drawn from; 0 follows the mean. `smooth`: frames, of a Gaussian over time.
    """
    heard = jnp.asarray(pose_sound(sound))[None]
    made = _posed(mover.network, scale, mover.variables, jax.random.key(seed), heard)[0]
    return np.asarray(landmark_projection.smooth(made, smooth)) * POSE_UNIT


@functools.partial(jax.jit, static_argnums=(0, 1))
def _posed(network, scale, variables, rng, heard):
    return pose_wavenet.generate(network, variables, rng, heard, jnp.zeros((1, pose_wavenet.POSE)), scale)


def pose_sound(sound: Float[Array | np.ndarray, "*b r f"]) -> Float[Array | np.ndarray, "*b t f2"]:
    """What Audio2Pose is given at each frame: both of its rows."""
    *batch, count, features = sound.shape
    return sound.reshape(*batch, count // talking_motion.ROWS, talking_motion.ROWS * features)


def opening(motion: Float[Array | np.ndarray, "t 204"]) -> Float[Array, "t"]:
    """By how much the inner lips part, upright, in units of the motion; 0 where the face rests."""
    upright = jnp.asarray(motion).reshape(-1, 68, 3)[..., 1]
    return jnp.mean(jnp.stack([upright[:, above] - upright[:, below] for above, below in INNER_LIPS]), axis=0)
