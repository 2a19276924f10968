"""Log-mel spectrogram of Wav2Lip and SadTalker, and the window of it that each video frame listens to.

wave [n] at 16 kHz --emphasis, STFT 800/200, 80 Slaney bands, dB--> mel [t, 80] in [-4, 4], 80 columns a second
                   --16 columns (0.2 s) around each video frame--> windows [frames, 80, 16]
"""

import functools
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxtalk.audio import stft

RATE = 16000  # samples per second
HOP = 200  # samples between columns: 80 columns a second
SIZE = 800  # samples in an STFT window, a whole number of hops
BANDS = 80
EMPHASIS = 0.97
SPAN = 16  # columns that one video frame listens to
COLUMNS_PER_SECOND = RATE / HOP


@functools.partial(jax.jit, static_argnames="pad")
def log_mel(wave: Float[Array, "*b n"], pad: Literal["reflect", "constant"] = "reflect") -> Float[Array, "*b t 80"]:
    """Log-mel of sound at 16 kHz, time first: t = 1 + n // 200, column i is centred on sample 200 i.

    clip(8 (dB - 20 + 100) / 100 - 4, -4, 4) with dB = 20 log10 max(1e-5, mel of the STFT's magnitude).
    `pad` is how the sound goes on beyond its ends: by reflection in the published models, by zeros ("constant") in
    the same code under newer librosa. Differentiable; gradients are finite in silence too.
    """
    pair = jnp.stack([wave, _delayed(wave)])
    return stft.over_frames(_column, stft.centre(pair, SIZE, pad), SIZE, HOP)


def _column(pieces: Float[Array, "2 *b 800"]) -> Float[Array, "*b 80"]:
    """Pre-emphasis is done on the spectra of the sound and of the sound one sample later: see `stft.spectrum`."""
    real, imaginary = stft.spectrum(pieces)
    return _decibels(real[0] - EMPHASIS * real[1], imaginary[0] - EMPHASIS * imaginary[1])


def emphasise(wave: Float[Array, "*b n"]) -> Float[Array, "*b n"]:
    """Pre-emphasis y[n] = x[n] - 0.97 x[n-1]."""
    return wave - EMPHASIS * _delayed(wave)


def _delayed(wave: Float[Array, "*b n"]) -> Float[Array, "*b n"]:
    return jnp.pad(wave, [(0, 0)] * (wave.ndim - 1) + [(1, 0)])[..., :-1]


def _decibels(real: Float[Array, "*b 401"], imaginary: Float[Array, "*b 401"]) -> Float[Array, "*b 80"]:
    """Scaled decibels of the mel bands."""
    magnitude = jnp.sqrt(real**2 + imaginary**2 + 1e-20)  # 1e-20 keeps the gradient finite at zero
    mel = jnp.matmul(magnitude, jnp.asarray(filters().T), precision="highest")
    decibels = 20 * jnp.log10(jnp.maximum(1e-5, mel))
    return jnp.clip(8 * (decibels - 20 + 100) / 100 - 4, -4, 4)


@functools.cache
def filters(
    size: int = SIZE, bands: int = BANDS, low: float = 55.0, high: float = 7600.0
) -> Float[np.ndarray, "bands f"]:
    """Triangular filters from `low` to `high` Hz, evenly spaced on Slaney's mel scale, each of unit area (in Hz).

    They weigh the 1 + size // 2 bins of a DFT of `size` samples. The defaults are Wav2Lip's.
    """
    edges = _hertz(np.linspace(_mel(low), _mel(high), bands + 2))
    frequencies = np.arange(size // 2 + 1) * RATE / size
    rise = (frequencies - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - frequencies) / np.diff(edges)[1:, None]
    triangles = np.maximum(0, np.minimum(rise, fall))
    return (triangles * 2 / (edges[2:] - edges[:-2])[:, None]).astype(np.float32)


# Slaney's Auditory Toolbox (1998): linear below 1 kHz (3 mel per 200 Hz), then 27 steps for each factor of 6.4.
_STEP = np.log(6.4) / 27


def _mel(hertz: float) -> float:
    return 3 * hertz / 200 if hertz < 1000 else 15 + np.log(hertz / 1000) / _STEP


def _hertz(mel: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    return np.where(mel < 15, 200 * mel / 3, 1000 * np.exp(_STEP * (mel - 15)))


def windows(
    mel: Float[Array, "*b t 80"], fps: float | int, frames: int, first: int = 0
) -> Float[Array, "*b frames 80 16"]:
    """What video frames first, ..., first + frames - 1 listen to: 16 columns from int(80 (i - 2) / fps) on.

    The first and last column are repeated beyond the ends. As in SadTalker, the two frames' lead is rounded towards
    zero and counts video frames, so it is 80 ms at 25 fps.
    """
    starts = np.trunc(COLUMNS_PER_SECOND * ((np.arange(first, first + frames) - 2) / fps)).astype(np.int32)
    columns = np.clip(starts[:, None] + np.arange(SPAN), 0, mel.shape[-2] - 1)
    return jnp.swapaxes(mel[..., columns, :], -1, -2)
