"""How loud speech is, frame by frame.

Frames: 400 samples (25 ms) every 160 (10 ms), centred on sample 160 i, zeros beyond the ends; see `stft`.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxtalk.audio import stft

_FLOOR = 1e-10  # mean power of what is as good as silence: -100 dB


@functools.partial(jax.jit, static_argnames=("size", "hop"))
def power(wave: Float[Array, "*b n"], size: int = stft.SIZE, hop: int = stft.HOP) -> Float[Array, "*b t"]:
    """Mean square of the samples of each frame; its root is the RMS."""
    centred = stft.centre(wave, size)
    return stft.over_frames(lambda pieces: jnp.mean(pieces**2, axis=-1, keepdims=True), centred, size, hop)[..., 0]


def decibels(wave: Float[Array, "*b n"], size: int = stft.SIZE, hop: int = stft.HOP) -> Float[Array, "*b t"]:
    """10 log10 of the mean square: 0 at full scale, -100 in silence, where its gradient is 0."""
    return 10 * jnp.log10(jnp.maximum(_FLOOR, power(wave, size, hop)))
