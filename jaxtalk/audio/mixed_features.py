"""What the 2003 FAP system hears: 16 features of the mouth's shape and 2 of prosody, in six frames around a moment.

wave [n] --LPC, RASTA-PLP, pitch, energy--> [t, 18], 100 a second --normalise--> --frames 40 ms apart--> [frames, 6, 18]

Column i is centred on sample 160 i (i / 100 s) and averages 30 ms of frames. A video frame at time s listens to the
columns at s - 120, -80, -40, 0, 40, 80 ms: three frames back and two forward at 25 fps, as long at other rates.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxtalk.audio import energy, lpc, pitch, rasta_plp, stft

FEATURES = 18
BACK, FORWARD = 3, 2  # frames
CONTEXT = BACK + 1 + FORWARD
SPACING = 0.04  # seconds
_HALF = 8  # cepstral coefficients of each kind
_LOUD = 30.0  # decibels below the loud moments where speech is taken to end
_SMALLEST_SPREAD = 0.05


@jax.jit
def mixed(wave: Float[Array, "*b n"]) -> Float[Array, "*b t 18"]:
    """Features of sound at 16 kHz, t = 1 + n // 160.

    Coefficients 1 to 8 of the cepstrum of linear prediction (order 16), then of RASTA-PLP (order 12); log2 of pitch
    over 100 Hz, 0 where nothing is voiced; energy in dB.
    """
    tract = lpc.cepstrum(lpc.lpc(wave, 16), 1 + _HALF)[..., 1:]
    heard = rasta_plp.rasta_plp(wave, 12, 1 + _HALF)[..., 1:]
    voice = pitch.pitch(wave)
    tone = jnp.where(voice.voiced, jnp.log2(voice.hertz / 100.0), 0.0)
    features = jnp.concatenate([tract, heard, tone[..., None], energy.decibels(wave)[..., None]], axis=-1)
    padded = jnp.pad(features, [(0, 0)] * (features.ndim - 2) + [(1, 1), (0, 0)], mode="edge")
    return (padded[..., :-2, :] + padded[..., 1:-1, :] + padded[..., 2:, :]) / 3


class Scale(NamedTuple):
    """Mean and spread of each feature while someone speaks."""

    mean: Float[np.ndarray, "18"]
    spread: Float[np.ndarray, "18"]


def scale(features: Float[np.ndarray, "t 18"]) -> Scale:
    """The scale of a recording, from what lies within 30 dB of its loud moments (95th percentile).

    Pauses are left out: recordings differ more in how much silence they hold than in how they sound.
    """
    loudness = features[:, -1]
    spoken = features[loudness >= np.percentile(loudness, 95) - _LOUD]
    return Scale(spoken.mean(0), spoken.std(0) + _SMALLEST_SPREAD)


def normalise(features, by: Scale):
    """Features [t, 18] in units of a scale; numpy or JAX, as given."""
    return (features - by.mean[None]) / by.spread[None]


def columns(seconds: Float[np.ndarray, "n"]) -> np.ndarray:
    """Which columns [n, 6] are heard at these moments; may lie beyond the ends."""
    moments = np.asarray(seconds)[:, None] + SPACING * np.arange(-BACK, FORWARD + 1)
    return np.rint(moments * stft.FRAMES_PER_SECOND).astype(np.int32)


def windows(features, fps: float | int, frames: int, first: int = 0):
    """What video frames first, ..., first + frames - 1 hear, [frames, 6, 18]; the ends repeat the last column.

    Numpy or JAX, as given.
    """
    wanted = columns(np.arange(first, first + frames) / fps)
    return features[np.clip(wanted, 0, features.shape[0] - 1)]
