"""MFCC as python_speech_features makes them by default, which SyncNet listens to.

wave [n] at 16 kHz --16-bit numbers, emphasis, frames, power, 26 mel bands, log, DCT, lifter--> [t, 13], 100 a second
                   --20 columns (0.2 s) from each video frame on--> windows [frames, 13, 20]

They differ from those of `mfcc` (librosa's) in all: emphasis, no window function, a DFT of 512 over 400 samples, bands
by O'Shaughnessy's mel with edges on whole bins, natural logarithms, a lifter, the frame's log energy in the first
place, and frames that begin (not lie in the middle) at sample 160 i, the last filled up with zeros.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxtalk.audio import stft

COUNT, BANDS, SIZE = 13, 26, 512  # coefficients, bands, samples of the DFT
COLUMNS = 4  # in a video frame of 40 ms
SPAN = 20  # columns that one window holds
EMPHASIS, LIFTER = 0.97, 22
_FLOOR = float(np.finfo(np.float64).eps)  # stands for a band without energy


@jax.jit
def mfcc(wave: Float[Array, "*b n"]) -> Float[Array, "*b t 13"]:
    """Coefficients of sound in [-1, 1]: t = 1 + ceil((n - 400) / 160), or 1 if that is less.

    Band k of frame i has the energy e = sum_f filter[k, f] |DFT|^2 / 512; the DCT-II (orthonormal) of log e is
    multiplied by 1 + 11 sin(pi j / 22); coefficient 0 is replaced by the log of sum_f |DFT|^2 / 512. The wave is
    rounded to 16-bit numbers first, as the published code reads it from a file, so its gradient is 0.
    """
    whole = jnp.clip(jnp.round(32768 * wave), -32768, 32767)
    before = jnp.pad(whole, [(0, 0)] * (wave.ndim - 1) + [(1, 0)])[..., :-1]
    count = 1 + max(0, -(-(wave.shape[-1] - stft.SIZE) // stft.HOP))
    missing = (count - 1) * stft.HOP + stft.SIZE - wave.shape[-1]
    padded = jnp.pad(whole - EMPHASIS * before, [(0, 0)] * (wave.ndim - 1) + [(0, missing)])
    return stft.over_frames(_cepstra, padded, stft.SIZE, stft.HOP)


def _cepstra(pieces: Float[Array, "*b t 400"]) -> Float[Array, "*b t 13"]:
    spectrum = jnp.fft.rfft(pieces, SIZE)
    power = (spectrum.real**2 + spectrum.imag**2) / SIZE
    bands = jnp.matmul(power, jnp.asarray(filters().T), precision="highest")
    cepstra = jnp.matmul(_log(bands), jnp.asarray(_cosines()), precision="highest")
    return cepstra.at[..., 0].set(_log(power.sum(-1)))


def _log(energy: Float[Array, "*b"]) -> Float[Array, "*b"]:
    return jnp.log(jnp.where(energy == 0, _FLOOR, energy))


@functools.cache
def filters() -> Float[np.ndarray, "26 257"]:
    """Triangles between 28 points evenly spaced from 0 to 8000 Hz in 2595 log10(1 + f / 700), rounded down to bins."""
    points = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), BANDS + 2) / 2595) - 1)
    edges = np.floor((SIZE + 1) * points / stft.RATE)
    low, middle, high = (edges[i : i + BANDS, None] for i in range(3))
    bins = np.arange(SIZE // 2 + 1)
    rise, fall = (bins - low) / (middle - low), (high - bins) / (high - middle)
    return np.where(bins < middle, np.maximum(rise, 0), np.maximum(fall, 0)).astype(np.float32)


@functools.cache
def _cosines() -> Float[np.ndarray, "26 13"]:
    """The DCT and the lifter."""
    n, k = np.arange(BANDS)[:, None], np.arange(COUNT)[None]
    dct = np.sqrt(np.where(k == 0, 1, 2) / BANDS) * np.cos(np.pi / BANDS * (n + 0.5) * k)
    return (dct * (1 + LIFTER / 2 * np.sin(np.pi * k / LIFTER))).astype(np.float32)


def count(frames: int, samples: int) -> int:
    """How many windows the published evaluation takes of a video of `frames` at 25 a second with so much sound."""
    return max(0, min(frames, samples // (COLUMNS * stft.HOP)) - 5)


def windows(coefficients: Float[Array, "*b t 13"], frames: int) -> Float[Array, "*b frames 13 20"]:
    """Columns 4 i to 4 i + 19 for video frames i = 0 ... frames - 1; where the sound has ended its last is repeated.

    With `frames` from `count` nothing is repeated.
    """
    columns = COLUMNS * np.arange(frames)[:, None] + np.arange(SPAN)
    columns = np.minimum(columns, coefficients.shape[-2] - 1)
    return jnp.swapaxes(coefficients[..., columns, :], -1, -2)
