"""Mel-frequency cepstral coefficients (Davis and Mermelstein, 1980), in librosa's definition.

wave [n] --power spectrum, mel bands, decibels--> [t, bands] --DCT--> [t, count]

Frames: 400 samples (25 ms) every 160 (10 ms), centred on sample 160 i, zeros beyond the ends; see `stft`.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxtalk.audio import mel, stft

_FLOOR = 1e-10  # smallest power of a band: -100 dB


@functools.partial(jax.jit, static_argnames=("bands", "low", "high", "range_db"))
def mel_decibels(
    wave: Float[Array, "*b n"],
    bands: int = 40,
    low: float = 0.0,
    high: float = 8000.0,
    range_db: float | None = 80.0,
) -> Float[Array, "*b t bands"]:
    """Log-mel of sound at 16 kHz as librosa's `power_to_db(melspectrogram(...))`: 10 log10 of power in Slaney's bands.

    All that lies more than `range_db` below the loudest band of the whole sound is raised to there; with None
    a frame depends on nothing but its own 25 ms. Differentiable; gradients are 0 at the floor.
    """
    power = jnp.matmul(stft.power(wave), jnp.asarray(mel.filters(stft.SIZE, bands, low, high).T), precision="highest")
    decibels = 10 * jnp.log10(jnp.maximum(_FLOOR, power))
    if range_db is None:
        return decibels
    return jnp.maximum(decibels, decibels.max((-1, -2), keepdims=True) - range_db)


@functools.partial(jax.jit, static_argnames=("count", "bands", "low", "high", "range_db"))
def mfcc(
    wave: Float[Array, "*b n"],
    count: int = 13,
    bands: int = 40,
    low: float = 0.0,
    high: float = 8000.0,
    range_db: float | None = 80.0,
) -> Float[Array, "*b t count"]:
    """The first `count` coefficients of the orthonormal DCT-II of `mel_decibels`; the first is the loudness."""
    decibels = mel_decibels(wave, bands, low, high, range_db)
    return jnp.matmul(decibels, jnp.asarray(_cosines(bands, count)), precision="highest")


@functools.cache
def _cosines(bands: int, count: int) -> Float[np.ndarray, "bands count"]:
    n, k = np.arange(bands)[:, None], np.arange(count)[None]
    scale = np.sqrt(np.where(k == 0, 1, 2) / bands)
    return (scale * np.cos(np.pi / bands * (n + 0.5) * k)).astype(np.float32)


def deltas(features: Float[Array, "*b t d"], reach: int = 4) -> Float[Array, "*b t d"]:
    """Slope per frame of the straight line that fits 2 reach + 1 frames best; the end frames are repeated.

    sum_k k x[t + k] / sum_k k^2, k = -reach ... reach (Furui, 1986).
    """
    frames = features.shape[-2]
    padded = jnp.pad(features, [(0, 0)] * (features.ndim - 2) + [(reach, reach), (0, 0)], mode="edge")
    sides = range(1, reach + 1)
    rise = sum(
        k * (padded[..., reach + k : reach + k + frames, :] - padded[..., reach - k : reach - k + frames, :])
        for k in sides
    )
    return rise / (2 * sum(k * k for k in sides))
