"""RASTA-PLP: what the ear keeps of a spectrum, without the colour of the room and the microphone.

wave [n] --power spectrum--> [t, 201] --critical bands--> [t, 21] --log, RASTA band-pass, exp--> --equal loudness-->
         --cube root--> auditory spectrum [t, 21] --inverse DFT, Levinson--> all-pole model --> cepstrum [t, count]

Hermansky, "Perceptual linear predictive (PLP) analysis of speech" (1990): equations are numbered as there.
Hermansky and Morgan, "RASTA processing of speech" (1994): the band-pass filter and its place in the chain.

Frames: 400 samples (25 ms, Hamming) every 160 (10 ms), centred on sample 160 i, zeros beyond the ends; see `stft`. The
RASTA filter looks back only, and mostly half a second.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxtalk.audio import lpc, stft

BANDS = 21  # critical bands from 0 to 8 kHz, 0.98 Bark apart
_SILENCE = 1e-8  # power of a band that is as good as silence; the rounding of 16-bit sound is ten times louder
_SLOPE = (0.2, 0.1, 0.0, -0.1, -0.2)  # of RASTA's numerator
_POLE = 0.98


@functools.partial(jax.jit, static_argnames=("order", "count", "rasta"))
def rasta_plp(
    wave: Float[Array, "*b n"], order: int = 12, count: int = 13, rasta: bool = True
) -> Float[Array, "*b t count"]:
    """The first `count` cepstral coefficients of the all-pole model of sound at 16 kHz; plain PLP without `rasta`.

    Differentiable; gradients are finite in silence too.
    """
    spectrum = auditory_spectrum(stft.power(wave, window="hamming"), rasta)
    return lpc.cepstrum(lpc.levinson(autocorrelation(spectrum, order)), count)


def auditory_spectrum(power: Float[Array, "*b t 201"], rasta: bool = True) -> Float[Array, "*b t 21"]:
    """Loudness in each critical band, from the power spectrum of frames 10 ms apart."""
    bands = jnp.matmul(power, jnp.asarray(critical_bands().T), precision="highest") + _SILENCE
    if rasta:
        bands = jnp.exp(band_pass(jnp.log(bands)))
    bands = bands[..., 1:-1]  # the curves of the outermost bands reach beyond the spectrum (1990, end of B)
    loudness = cube_root(bands * jnp.broadcast_to(jnp.asarray(_loudness_weights()[1:-1]), bands.shape))
    return jnp.concatenate([loudness[..., :1], loudness, loudness[..., -1:]], axis=-1)


def bark(hertz):
    """Critical-band rate, eq. 3 (Schroeder, 1977): 6 asinh(f / 600)."""
    return 6 * np.arcsinh(np.asarray(hertz) / 600)


def masking(distance: Float[np.ndarray, "*b"]) -> Float[np.ndarray, "*b"]:
    """How much power `distance` Bark below the band's centre counts, eq. 4.

    A plateau of one Bark; what lies lower masks upwards (10 dB a Bark), what lies higher downwards less (25 dB a Bark).
    """
    slopes = np.minimum(0, np.minimum(2.5 * (distance + 0.5), -(distance - 0.5)))
    return np.where((distance >= -1.3) & (distance <= 2.5), 10.0**slopes, 0.0)


@functools.cache
def critical_bands() -> Float[np.ndarray, "21 201"]:
    """Weight of each bin of the power spectrum in each critical band, eq. 5."""
    bins = bark(np.arange(stft.SIZE // 2 + 1) * stft.RATE / stft.SIZE)
    return masking(_centres()[:, None] - bins).astype(np.float32)


def equal_loudness(hertz: Float[np.ndarray, "*b"]) -> Float[np.ndarray, "*b"]:
    """Sensitivity of the ear at about 40 dB, relative, as power: eq. 7, which also holds above 5 kHz."""
    w2 = (2 * np.pi * hertz) ** 2
    return (w2 + 56.8e6) * w2**2 / ((w2 + 6.3e6) ** 2 * (w2 + 0.38e9) * (w2**3 + 9.58e26))


def cube_root(power: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """The power law of hearing, eq. 8 (Stevens, 1957): loudness grows with the cube root of intensity."""
    return power ** (1 / 3)


def band_pass(log_bands: Float[Array, "*b t k"]) -> Float[Array, "*b t k"]:
    """RASTA's filter over time, frames 10 ms apart: 0.1 (2 + z^-1 - z^-3 - 2 z^-4) / (1 - 0.98 z^-1) (1994, eq. 1).

    A slope over five frames and a leaky sum: what stays the same (a channel's colour) becomes 0, what changes as
    slowly or fast as syllables (1 to 12 Hz) passes. The paper's z^4, four frames of foresight, is left out. Before its
    start the sound is taken to be constant, so that nothing rings there.
    """
    frames = log_bands.shape[-2]
    padded = jnp.pad(log_bands, [(0, 0)] * (log_bands.ndim - 2) + [(4, 0), (0, 0)], mode="edge")
    slope = sum(c * padded[..., 4 - k : 4 - k + frames, :] for k, c in enumerate(_SLOPE))

    def after(first, second):  # y -> decay y + gain, one after the other
        return first[0] * second[0], second[0] * first[1] + second[1]

    return jax.lax.associative_scan(after, (jnp.full_like(slope, _POLE), slope), axis=slope.ndim - 2)[1]


def autocorrelation(spectrum: Float[Array, "*b k"], order: int) -> Float[Array, "*b q"]:
    """Inverse DFT at lags 0 ... order of a power spectrum that is given from 0 to half the sampling rate."""
    last = spectrum.shape[-1] - 1
    lag, bin_ = np.arange(order + 1), np.arange(last + 1)[:, None]
    cosines = np.where((bin_ == 0) | (bin_ == last), 1, 2) * np.cos(np.pi / last * bin_ * lag) / (2 * last)
    return jnp.matmul(spectrum, jnp.asarray(cosines, jnp.float32), precision="highest")


def _centres() -> Float[np.ndarray, "21"]:
    """Centres of the bands in Bark: evenly from 0 to half the sampling rate."""
    return np.linspace(0, bark(stft.RATE / 2), BANDS)


@functools.cache
def _loudness_weights() -> Float[np.ndarray, "21"]:
    """Of the bands: 1 where the ear is most sensitive."""
    weights = equal_loudness(600 * np.sinh(_centres() / 6))
    return (weights / weights.max()).astype(np.float32)
