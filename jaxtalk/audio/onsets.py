"""Where speech sets in: rises of loudness over the mel bands, and the times of their peaks.

wave [n] at 16 kHz --power, 40 mel bands, dB, rise--> strength [t] --highest within 30 ms--> times [t], seconds

The clock is that of `stft`: 100 frames a second. Speech in 27 real clips has 4 to 9 onsets a second: more than
syllables, for many consonants are onsets too.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxtalk.audio import mel, stft

BANDS = 40
_RANGE = 80.0  # dB below the clip's loudest band that are heard
_NEAR, _AROUND = 3, 10  # frames to each side: an onset is the highest of the near, and above the mean of those around


@jax.jit
def strength(wave: Float[Array, "*b n"]) -> Float[Array, "*b t"]:
    """Mean over mel bands (0 to 8 kHz) of the rise in dB since the frame before, falls taken as 0: spectral flux.

    librosa's `onset_strength` with these frames and bands, and `center=False`; 0 in the first frame.
    """
    filters = jnp.asarray(mel.filters(stft.SIZE, BANDS, 0.0, stft.RATE / 2).T)
    decibels = 10 * jnp.log10(jnp.maximum(1e-10, jnp.matmul(stft.power(wave), filters, precision="highest")))
    decibels = jnp.maximum(decibels, decibels.max((-2, -1), keepdims=True) - _RANGE)
    rise = jnp.maximum(0.0, decibels[..., 1:, :] - decibels[..., :-1, :]).mean(-1)
    return jnp.pad(rise, [(0, 0)] * (rise.ndim - 1) + [(1, 0)])


@functools.partial(jax.jit, static_argnames="least")
def times(wave: Float[Array, "*b n"], least: float = 0.07) -> Float[Array, "*b t"]:
    """Seconds of the onsets, each at its own frame's place, infinite where there is none; silence has none.

    An onset is the highest within 30 ms to each side, and `least` of the clip's highest above the mean of 100 ms to
    each side (librosa's defaults, which however look 30 ms back only and take the first of a rise).
    """
    flux = strength(wave)
    flux = flux / jnp.maximum(flux.max(-1, keepdims=True), 1e-6)
    highest = _around(flux, _NEAR, -jnp.inf).max(-1)
    mean = _around(flux, _AROUND, 0.0).sum(-1) / _around(jnp.ones_like(flux), _AROUND, 0.0).sum(-1)
    found = (flux >= highest) & (flux >= mean + least)
    place = jnp.broadcast_to(jnp.arange(flux.shape[-1]) / stft.FRAMES_PER_SECOND, flux.shape)
    return jnp.where(found, place, jnp.inf)


def _around(track: Float[Array, "*b t"], reach: int, beyond: float) -> Float[Array, "*b t w"]:
    """Each frame with those up to `reach` before and after."""
    padded = jnp.pad(track, [(0, 0)] * (track.ndim - 1) + [(reach, reach)], constant_values=beyond)
    return jnp.stack([padded[..., k : k + track.shape[-1]] for k in range(2 * reach + 1)], axis=-1)
