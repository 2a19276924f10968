"""Speech of any length to Motion: sound is read in pieces, and of all of it only the log-mel is kept, 1.5 MB a minute.

The same numbers as `listen.motion` gives for the whole sound at once, but that a mouth rests where nothing is heard:
LipTCN hears each band relative to its mean over the recording, so to it silence alone is as loud as speech.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32
from scipy import ndimage

from jaxtalk.audio import load, mel, speech_windows
from jaxtalk.data import head_motion
from jaxtalk.face import arkit
from jaxtalk.face.motion import Motion
from jaxtalk.systems import listen

_PIECE = 60 * mel.RATE  # samples transformed at once
QUIET = -3.6  # mean of the bands of log-mel: 75 dB below what speech is at full scale, where recordings hold nothing
_PAUSE = 0.15  # seconds to either side that are quiet, too: stops are shorter
_SETTLE = 0.075  # seconds in which the mouth comes to rest (standard deviation of a Gaussian)
_MARGIN = 4 * mel.HOP  # samples around a piece: a column hears two hops and one sample to either side


class Heard(NamedTuple):
    """All that is kept of speech."""

    spectrum: Float[Array, "t 80"]  # log-mel
    samples: int  # at 16 kHz


def read(path: Path) -> Heard:
    """The log-mel of a sound file. InputError if there is no sound in it."""
    return spectrum(load.stream(path, mel.RATE))


def spectrum(blocks: Iterable[Float32[np.ndarray, "_"]]) -> Heard:
    """`mel.log_mel` of sound that comes in blocks of any size."""
    parts, waiting, lead, samples = [], [], 0, 0
    for block in blocks:
        waiting.append(block)
        samples += len(block)
        while sum(map(len, waiting)) >= lead + _PIECE + _MARGIN:
            wave = np.concatenate(waiting)
            parts.append(_columns(wave[: lead + _PIECE + _MARGIN], lead)[: _PIECE // mel.HOP])
            waiting, lead = [wave[lead + _PIECE - _MARGIN :]], _MARGIN
    parts.append(_columns(np.concatenate(waiting), lead))
    return Heard(jnp.asarray(np.concatenate(parts)), samples)


def _columns(wave: Float32[np.ndarray, "n"], lead: int) -> Float32[np.ndarray, "t 80"]:
    """Columns from the sample number `lead` on."""
    return np.asarray(mel.log_mel(jnp.asarray(wave)))[lead // mel.HOP :]


def motion(heard: Heard, fps: float, *, style: int, seed: int, still: bool = False) -> Motion:
    """What the built-in face does while it says that: lips heard, head in one of 46 styles, eyes drawn at random.

    `still` leaves the head where it is.
    """
    frames = listen.frame_count(heard.samples, fps)
    mouth = listen.mouth(heard.spectrum, fps, frames) * awake(heard.spectrum, np.arange(frames) / fps)[:, None]
    expression = jnp.where(listen.MOUTH, mouth, eyes(frames, fps, seed))
    rotation = translation = jnp.zeros((frames, 3))
    if not still:
        rotation, translation = listen.head(heard.spectrum, fps, frames, style=style, seed=seed)
    return Motion(expression, rotation, translation, fps, arkit.NAMES)


def awake(spectrum: Float[Array, "n 80"], seconds: Float[np.ndarray, "t"]) -> Float32[np.ndarray, "t"]:
    """How much of what the mouth does is left at these moments: 1, or 0 in pauses where nothing at all is heard."""
    quiet = np.asarray(spectrum).mean(axis=1) < QUIET
    pause = ndimage.minimum_filter1d(quiet, 2 * round(_PAUSE * mel.COLUMNS_PER_SECOND) + 1).astype(np.float32)
    pause = ndimage.gaussian_filter1d(pause, _SETTLE * mel.COLUMNS_PER_SECOND, mode="nearest")
    place = (seconds + speech_windows.LEAD) * mel.COLUMNS_PER_SECOND
    return 1 - np.interp(place, np.arange(len(pause)), pause).astype(np.float32)


def eyes(frames: int, fps: float, seed: int) -> Float32[np.ndarray, "t 52"]:
    """Lids, gaze and brows of a seed, with blinks about every two seconds."""
    return listen.eyes(head_motion.blinks(np.random.default_rng(seed), np.arange(frames) / fps), fps, seed)
