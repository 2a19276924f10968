"""Lips and sound of a video as LipSyncNet embeds them with the shipped weights: what `metrics.lip_sync` takes.

    face, sound = lip_sync.embed(lip_sync.watch("talk.mp4"), load.load("talk.mp4"))
    metrics.lip_sync.lip_sync(face, sound)

Figures are those of the network that `label()` names, on its own scale: docs/lip_sync.md.
"""

import functools
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxtalk.audio import mel, speech_windows
from jaxtalk.errors import InputError
from jaxtalk.face import detect
from jaxtalk.face.lip_shape import lip_shape
from jaxtalk.io import video, weights
from jaxtalk.models import lip_sync_net

NETWORK = "lip_sync"  # name of the shipped weights


def watch(path: str | Path) -> Float[np.ndarray, "t 68 2"]:
    """Landmarks of the largest face of the first frame that has one, at 25 frames a second, bridged where it is lost.

    They are not smoothed: that was measured to gain nothing.

    Raises:
        InputError: no face in any frame.
    """
    found = list(detect.track(video.frames(path, fps=lip_sync_net.FPS)))
    seen = np.flatnonzero([face is not None for face in found])
    if not len(seen):
        raise InputError(f"{path}: no face found in any frame; lip sync needs a video of a visible face")
    return bridged(np.stack([found[i].landmarks for i in seen]), seen, np.arange(len(found)))


def bridged(
    landmarks: Float[np.ndarray, "s 68 2"], seen: np.ndarray, wanted: np.ndarray
) -> Float[np.ndarray, "t 68 2"]:
    """Landmarks of the moments `seen` at the moments `wanted`, by straight lines; the ends go on."""
    flat = landmarks.reshape(len(landmarks), -1)
    columns = [np.interp(wanted, seen, column) for column in flat.T]
    return np.stack(columns, -1).reshape(len(wanted), 68, 2).astype(np.float32)


def embed(
    landmarks: Float[np.ndarray, "t 68 2"], wave: Float[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "t d"], Float[np.ndarray, "t d"]]:
    """Unit embeddings of the lips and of the sound at each frame; `wave` is mono at 16 kHz and begins with frame 0.

    Frames after the end of the sound are left out, since what is no sound cannot be in sync.
    """
    config, params = _network()[:2]
    frames = min(len(landmarks), max(1, int(np.ceil(len(wave) * lip_sync_net.FPS / mel.RATE))))
    lips = np.asarray(lip_shape(jnp.asarray(landmarks[:frames], jnp.float32)))
    heard = np.asarray(speech_windows.normalise(mel.log_mel(jnp.asarray(wave, jnp.float32))))
    return lip_sync_net.embed(config, params, lips, heard)


def label() -> str:
    """What a figure made with this network names it by."""
    return _network()[2]


@functools.cache
def _network():
    stored = weights.load(weights.shipped(NETWORK))
    return weights.config(lip_sync_net.Config, stored), stored.variables["params"], weights.label(stored)
