"""Linear prediction of speech: the vocal tract as an all-pole filter (Makhoul, "Linear prediction: a tutorial", 1975).

frame [n] --autocorrelation--> r [p + 1] --Levinson-Durbin--> A(z) = 1 + a_1 z^-1 + ... + a_p z^-p and the error's power
                                         G / A(z) has the frame's spectral envelope; ln |G / A|^2 has cepstrum c

Frames: 400 samples (25 ms) every 160 (10 ms), centred on sample 160 i, zeros beyond the ends; see `stft`.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxtalk.audio import mel, stft

# A floor of noise 50 dB under each frame, and one for silence: the equations stay well-conditioned in float32.
_NOISE, _SILENCE = 1e-5, 1e-9
_TINY = 1e-30


class Predictor(NamedTuple):
    """x[n] is predicted as -sum_k coefficients[k] x[n - k], k = 1 ... p."""

    coefficients: Float[Array, "*b q"]  # 1, a_1, ..., a_p
    reflections: Float[Array, "*b p"]  # of the equal lattice: within (-1, 1), where the all-pole filter is stable
    error: Float[Array, "*b"]  # power that is left; the all-pole filter's squared gain


@functools.partial(jax.jit, static_argnames="order")
def lpc(wave: Float[Array, "*b n"], order: int = 16) -> Predictor:
    """The predictor of each frame [*b, t] of sound at 16 kHz, after pre-emphasis and under a Hamming window.

    By the autocorrelation method, so always stable; noise 50 dB below each frame (and at -116 dB in silence) is added
    to its autocorrelation. librosa.lpc is Burg's method, which windows nothing: they agree on long stationary sound.
    """

    def of_frames(pieces):
        window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(stft.SIZE) / stft.SIZE)
        r = autocorrelation(pieces * jnp.broadcast_to(jnp.float32(window), pieces.shape), order)
        return r.at[..., 0].set((1 + _NOISE) * r[..., 0] + _SILENCE)

    return levinson(stft.over_frames(of_frames, stft.centre(mel.emphasise(wave), stft.SIZE), stft.SIZE, stft.HOP))


def autocorrelation(pieces: Float[Array, "*b n"], order: int) -> Float[Array, "*b q"]:
    """r[k] = sum_n x[n] x[n + k] for k = 0 ... order."""
    n = pieces.shape[-1]
    return jnp.stack([(pieces[..., : n - k] * pieces[..., k:]).sum(-1) for k in range(order + 1)], axis=-1)


def levinson(r: Float[Array, "*b q"]) -> Predictor:
    """Solves sum_k a_k r[|i - k|] = 0, i = 1 ... p, with a_0 = 1, by the Levinson-Durbin recursion.

    `r` is an autocorrelation r[0] ... r[p] with r[0] above 0; of zeros it makes the predictor 1, 0, ..., 0.
    """
    return Predictor(*_levinson(r))


@functools.partial(jnp.vectorize, signature="(q)->(q),(p),()")
def _levinson(r):
    def raise_order(state, i):
        a, error = state
        mirrored = _mirrored(a, i)
        k = -(mirrored * r).sum() / jnp.maximum(error, _TINY)
        return (a + k * mirrored, error * (1 - k**2)), k

    first = jnp.zeros_like(r).at[0].set(1.0), r[0]
    (a, error), reflections = jax.lax.scan(raise_order, first, jnp.arange(1, len(r)))
    return a, reflections, error


def cepstrum(predictor: Predictor, count: int) -> Float[Array, "*b count"]:
    """The first `count` coefficients of the cepstrum of the power spectrum |G / A|^2 (Atal, 1974).

    ln |G / A|^2 = c_0 + 2 sum_n c_n cos(n w), so c_0 = ln G^2 and n c_n = -n a_n - sum_{0<k<n} k c_k a_{n-k}.
    """
    a = predictor.coefficients
    missing = max(0, count - a.shape[-1])
    a = jnp.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, missing)])[..., :count]
    gain = jnp.log(jnp.maximum(predictor.error, _TINY))
    return jnp.concatenate([gain[..., None], _shape_cepstrum(a)[..., 1:]], axis=-1)


@functools.partial(jnp.vectorize, signature="(q)->(q)")
def _shape_cepstrum(a):
    def next_one(scaled, n):  # scaled[n] = n c_n
        return scaled.at[n].set(-n * a[n] - (_mirrored(a, n) * scaled).sum()), None

    scaled, _ = jax.lax.scan(next_one, jnp.zeros_like(a), jnp.arange(1, len(a)))
    return scaled / jnp.maximum(jnp.arange(float(len(a))), 1.0)


def envelope(predictor: Predictor, bins: int) -> Float[Array, "*b bins"]:
    """|G / A|^2 at `bins` frequencies evenly from 0 to half the sampling rate."""
    a = predictor.coefficients
    angle = np.outer(np.arange(a.shape[-1]), np.linspace(0, np.pi, bins))
    multiply = functools.partial(jnp.matmul, precision="highest")
    real, imaginary = multiply(a, jnp.float32(np.cos(angle))), multiply(a, jnp.float32(np.sin(angle)))
    return predictor.error[..., None] / (real**2 + imaginary**2)


def _mirrored(a: Float[Array, "q"], i) -> Float[Array, "q"]:
    """a[i - k] at place k, 0 where i - k lies outside."""
    place = i - jnp.arange(len(a))
    return jnp.where(place >= 0, a[jnp.maximum(place, 0)], 0.0)
