"""Pitch of a voice by pYIN (Mauch and Dixon, 2014), on YIN's difference function (de Cheveigné and Kawahara, 2002).

wave [n] --difference function--> [t, lags] --troughs, probable thresholds--> candidates --HMM, Viterbi--> pitch [t]

Frames: 720 samples (45 ms) every 160 (10 ms), centred on sample 160 i, zeros beyond the ends; see `stft`.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxtalk.audio import stft

LOW, HIGH = 60.0, 500.0  # Hz: the voices that are looked for
SIZE = 720
_SHORTEST, _LONGEST = int(stft.RATE / HIGH), int(np.ceil(stft.RATE / LOW))  # periods in samples
_STEP = 1 / 60  # octaves between the states of the HMM: 20 cents
_BINS = 1 + round(np.log2(HIGH / LOW) / _STEP)
_REACH = 21  # bins that a voice may jump in 10 ms: 36 octaves a second
_SWITCH = 0.01  # probability that voicing begins or ends at a frame
_DOUBT = 0.01  # probability that a frame is voiced though no trough is deep enough
_SILENCE = 1e-9  # mean square of a difference that is as good as none
_TINY = 1e-12
_MEL = 1127.0  # mels for a factor of e, well above 700 Hz
_COARSE = 50.0, 1100.0  # Hz, the lowest and the highest step of `coarse`


class Pitch(NamedTuple):
    hertz: Float[Array, "*b t"]  # where nothing is voiced, what the voice might have been on its way
    voiced: Bool[Array, "*b t"]
    probability: Float[Array, "*b t"]  # of being voiced, from this frame alone


@jax.jit
def pitch(wave: Float[Array, "*b n"]) -> Pitch:
    """Pitch of sound at 16 kHz, t = 1 + n // 160, between 60 and 500 Hz."""
    mass, moment = stft.over_frames(
        lambda pieces: candidates(normalised_difference(pieces)), stft.centre(wave, SIZE), SIZE, stft.HOP
    )
    probability = jnp.minimum(mass.sum(-1), 1.0)
    unvoiced = jnp.broadcast_to((1 - probability)[..., None] / _BINS, mass.shape)
    state = _viterbi(jnp.log(jnp.stack([mass, unvoiced], axis=-2) + _TINY))
    bin_ = state % _BINS
    near = [_take(jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(1, 1)]), bin_) for x in (mass, moment)]
    # Within its bin and the next ones pitch is the mean of the candidates; without any, the middle of the bin.
    octave = jnp.where(near[0] > 1e-4, near[1] / jnp.maximum(near[0], 1e-4), bin_ * _STEP)
    return Pitch(LOW * 2**octave, state < _BINS, probability)


def coarse(hertz: Float[Array, "*b t"]) -> Int[Array, "*b t"]:
    """Pitch in steps from 1 (50 Hz, and below) to 255 (1100 Hz, and above), even in mel. 0 Hz, for unvoiced, is 1 too.

    GeneFace's networks with pitch hear it so. Its mel scale is O'Shaughnessy's, 1127 ln(1 + f / 700).
    """
    low, high = (_MEL * np.log1p(f / 700) for f in _COARSE)
    step = 1 + (_MEL * jnp.log1p(hertz / 700) - low) * 254 / (high - low)
    return jnp.floor(jnp.clip(step, 1, 255) + 0.5).astype(jnp.int32)


def normalised_difference(pieces: Float[Array, "*b 720"]) -> Float[Array, "*b lags"]:
    """d'(lag) for lags 0 ... longest + 1: mean square of x[n] - x[n + lag] over its own mean at shorter lags.

    0 where a lag is a period of a perfect voice, about 1 in noise, 1 in silence (YIN, eq. 8, with every product of the
    frame instead of a fixed number, so that all lags are centred on it).
    """
    lags = np.arange(_LONGEST + 2)
    transformed = jnp.fft.rfft(pieces, 1024)  # 720 + 268 lags: nothing wraps round
    products = jnp.fft.irfft(transformed.real**2 + transformed.imag**2, 1024)[..., : len(lags)]
    energy = jnp.pad(jnp.cumsum(pieces**2, axis=-1), [(0, 0)] * (pieces.ndim - 1) + [(1, 0)])
    head, tail = energy[..., SIZE - lags], energy[..., -1:] - energy[..., lags]
    count = jnp.broadcast_to(jnp.float32(SIZE - lags), products.shape)
    difference = jnp.maximum(head + tail - 2 * products, 0.0) / count + _SILENCE
    mean = jnp.cumsum(difference[..., 1:], axis=-1) / jnp.broadcast_to(jnp.float32(lags[1:]), difference[..., 1:].shape)
    return jnp.concatenate([jnp.ones_like(mean[..., :1]), difference[..., 1:] / mean], axis=-1)


def candidates(difference: Float[Array, "*b lags"]) -> tuple[Float[Array, "*b k"], Float[Array, "*b k"]]:
    """Probability of a voice in each pitch bin, and that times its exact pitch in octaves above LOW.

    A period is the first trough under a threshold. Nobody knows the threshold, but it is distributed as beta(2, 18): a
    trough is believed by the share of thresholds that it, but none before it, falls under.
    """
    left, depth, right = (difference[..., _SHORTEST + k : _LONGEST + 1 + k] for k in (-1, 0, 1))
    trough = (depth < left) & (depth <= right)
    height = jnp.where(trough, jnp.minimum(depth, 1.0), 1.0)
    before = jax.lax.cummin(height, axis=height.ndim - 1)
    before = jnp.concatenate([jnp.ones_like(before[..., :1]), before[..., :-1]], axis=-1)
    share = jnp.maximum(_threshold_below(before) - _threshold_below(height), 0.0)
    deepest = jax.nn.one_hot(height.argmin(-1), height.shape[-1], dtype=bool)
    probability = share + jnp.where(deepest & trough, _DOUBT * _threshold_below(height), 0.0)
    curvature = left - 2 * depth + right
    shift = jnp.clip((left - right) / jnp.where(trough, 2 * jnp.maximum(curvature, 1e-7), 1.0), -0.5, 0.5)
    period = shift + jnp.broadcast_to(jnp.arange(_SHORTEST, _LONGEST + 1.0), shift.shape)
    octave = jnp.clip(jnp.log2(stft.RATE / LOW / period), 0.0, (_BINS - 1) * _STEP)
    return _in_bins(probability, octave), _in_bins(probability * octave, octave)


def _threshold_below(x):
    """P(threshold < x) for beta(2, 18)."""
    return 1 - (1 - x) ** 19 - 19 * x * (1 - x) ** 18


@functools.partial(jnp.vectorize, signature="(l),(l)->(k)")
def _in_bins(values, octave):
    return jnp.zeros(_BINS).at[jnp.rint(octave / _STEP).astype(jnp.int32)].add(values)


@functools.partial(jnp.vectorize, signature="(k),()->()")
def _take(padded, bin_):
    """Sum over bin - 1 ... bin + 1."""
    return jax.lax.dynamic_slice(padded, (bin_,), (3,)).sum()


@functools.partial(jnp.vectorize, signature="(t,v,k)->(t)")
def _viterbi(observed):
    """Most probable states [t] from log probabilities [t, (voiced, unvoiced), k]; voiced bins are 0 ... k - 1."""
    reach = np.arange(-_REACH, _REACH + 1)
    sources = np.arange(_BINS)[:, None] + reach  # a voice comes to a bin from one of these
    jump = np.where((sources >= 0) & (sources < _BINS), _REACH + 1 - np.abs(reach), 0)
    leaving = np.convolve(np.ones(_BINS), _REACH + 1 - np.abs(reach), mode="same")  # jumps stay within the range
    sources = np.clip(sources, 0, _BINS - 1)
    jump = jnp.asarray(np.log(jump / leaving[sources] + 1e-30), jnp.float32)
    switch = jnp.log(jnp.array([[1 - _SWITCH, _SWITCH], [_SWITCH, 1 - _SWITCH]]))  # [from, to]

    def forward(score, now):
        ways = score[:, sources] + jump[None]  # [from, k, sources]
        best, way = ways.max(-1), ways.argmax(-1)
        came = jnp.clip(way - _REACH + jnp.arange(_BINS)[None], 0, _BINS - 1) + _BINS * jnp.arange(2)[:, None]
        turns = best[:, None] + switch[..., None]  # [from, to, k]
        before = jnp.where(turns[0] >= turns[1], came[:1], came[1:])
        score = turns.max(0) + now
        return score - score.max(), before.ravel().astype(jnp.int16)

    last, before = jax.lax.scan(forward, observed[0], observed[1:])
    end = last.argmax().astype(jnp.int16)
    first, states = jax.lax.scan(lambda state, come: (come[state], state), end, before, reverse=True)
    return jnp.concatenate([first[None], states]).astype(jnp.int32)
