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

RATE = 16000  # samples per second
HOP = 200  # samples between columns: 80 columns a second
SIZE = 800  # samples in an STFT window, a whole number of hops
BANDS = 80
EMPHASIS = 0.97
SPAN = 16  # columns that one video frame listens to
COLUMNS_PER_SECOND = RATE / HOP
_BLOCK = 2048  # columns transformed at once, so that an hour of speech needs no more room than half a minute


@functools.partial(jax.jit, static_argnames="pad")
def log_mel(wave: Float[Array, "*b n"], pad: Literal["reflect", "constant"] = "reflect") -> Float[Array, "*b t 80"]:
    """Log-mel of sound at 16 kHz, time first: t = 1 + n // 200, column i is centred on sample 200 i.

    clip(8 (dB - 20 + 100) / 100 - 4, -4, 4) with dB = 20 log10 max(1e-5, mel of the STFT's magnitude).
    `pad` is how the sound goes on beyond its ends: by reflection in the published models, by zeros ("constant") in
    the same code under newer librosa. Differentiable; gradients are finite in silence too.
    """
    columns = 1 + wave.shape[-1] // HOP
    size = min(columns, _BLOCK)
    blocks = -(-columns // size)
    pair = jnp.stack([wave, _delayed(wave)])
    ends = [(0, 0)] * wave.ndim
    padded = jnp.pad(pair, [*ends, (SIZE // 2, SIZE // 2)], mode=pad)
    length = (blocks * size + SIZE // HOP - 1) * HOP  # whole hops, enough for the last block
    padded = jnp.pad(padded, [*ends, (0, max(0, length - padded.shape[-1]))])[..., :length]
    hops = padded.reshape(*pair.shape[:-1], -1, HOP)

    def block(first):
        own = jax.lax.dynamic_slice_in_dim(hops, first, size + SIZE // HOP - 1, axis=-2)
        pieces = jnp.concatenate([own[..., k : k + size, :] for k in range(SIZE // HOP)], axis=-1)
        real, imaginary = _spectrum(pieces)
        return _decibels(real[0] - EMPHASIS * real[1], imaginary[0] - EMPHASIS * imaginary[1])

    mel = jax.lax.map(block, size * jnp.arange(blocks))
    mel = jnp.moveaxis(mel, 0, -3).reshape(*wave.shape[:-1], blocks * size, BANDS)
    return mel[..., :columns, :]


def emphasise(wave: Float[Array, "*b n"]) -> Float[Array, "*b n"]:
    """Pre-emphasis y[n] = x[n] - 0.97 x[n-1]."""
    return wave - EMPHASIS * _delayed(wave)


def _delayed(wave: Float[Array, "*b n"]) -> Float[Array, "*b n"]:
    return jnp.pad(wave, [(0, 0)] * (wave.ndim - 1) + [(1, 0)])[..., :-1]


def _spectrum(pieces: Float[Array, "*b 800"]) -> tuple[Float[Array, "*b 401"], Float[Array, "*b 401"]]:
    """Real and imaginary DFT under a Hann window, with about ten bits more than float32 arithmetic gives.

    A quiet band beside a loud one drowns in the rounding of a float32 FFT (and in that of pre-emphasis, which is
    therefore done on spectra). So samples and kernel are cut into multiples of 1/256 and a rest (Ozaki et al. 2012):
    the products of multiples and their sums are exact in float32, and all others are small.
    """
    kernel = _fourier()
    coarse_kernel = np.round(256 * kernel) / 256
    coarse = jnp.round(256 * pieces) / 256  # has no derivative, so that of the rest is the DFT's
    multiply = functools.partial(jnp.matmul, precision="highest")
    exact = multiply(coarse, jnp.asarray(coarse_kernel, jnp.float32))
    small = multiply(coarse, jnp.asarray(kernel - coarse_kernel, jnp.float32))
    small = small + multiply(pieces - coarse, jnp.asarray(kernel, jnp.float32))
    return tuple(jnp.split(exact + small, 2, axis=-1))


@functools.cache
def _fourier() -> Float[np.ndarray, "800 802"]:
    """Periodic Hann window times cosines, and times sines."""
    n = np.arange(SIZE)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / SIZE)
    angle = 2 * np.pi / SIZE * (np.outer(n, np.arange(SIZE // 2 + 1)) % SIZE)
    return hann[:, None] * np.concatenate([np.cos(angle), -np.sin(angle)], axis=1)


def _decibels(real: Float[Array, "*b 401"], imaginary: Float[Array, "*b 401"]) -> Float[Array, "*b 80"]:
    """Scaled decibels of the mel bands."""
    magnitude = jnp.sqrt(real**2 + imaginary**2 + 1e-20)  # 1e-20 keeps the gradient finite at zero
    mel = jnp.matmul(magnitude, jnp.asarray(filters().T), precision="highest")
    decibels = 20 * jnp.log10(jnp.maximum(1e-5, mel))
    return jnp.clip(8 * (decibels - 20 + 100) / 100 - 4, -4, 4)


@functools.cache
def filters() -> Float[np.ndarray, "80 401"]:
    """Triangular filters from 55 to 7600 Hz, evenly spaced on Slaney's mel scale, each of unit area (in Hz)."""
    edges = _hertz(np.linspace(_mel(55.0), _mel(7600.0), BANDS + 2))
    frequencies = np.arange(SIZE // 2 + 1) * RATE / SIZE
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
