"""Short-time Fourier transform: sound is cut into overlapping frames, each is windowed and transformed.

wave [n] --centre--> padded [n + size] --frames--> [t, size] --window, DFT--> real, imaginary [t, 1 + size // 2]

The classic features (MFCC, LPC, RASTA-PLP, pitch, energy) share one clock: sound at 16 kHz, frame i is centred on
sample 160 i, which is i / 100 seconds; t = 1 + n // 160; zeros lie beyond both ends. All but pitch hear 400 samples
(25 ms) of it.
"""

import functools
import math
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

RATE = 16_000  # samples per second
SIZE = 400  # samples in a frame: 25 ms
HOP = 160  # samples between the centres of frames: 10 ms
FRAMES_PER_SECOND = RATE / HOP
_BLOCK = 2048  # frames transformed at once, so that an hour of speech needs no more room than half a minute

Window = Literal["hann", "hamming"]


def power(
    wave: Float[Array, "*b n"], size: int = SIZE, hop: int = HOP, window: Window = "hann"
) -> Float[Array, "*b t f"]:
    """Power spectrum |DFT|^2 of centred frames: t = 1 + n // hop, f = 1 + size // 2, zeros beyond the ends."""

    def squared(pieces):
        real, imaginary = spectrum(pieces, window)
        return real**2 + imaginary**2

    return over_frames(squared, centre(wave, size), size, hop)


def centre(
    wave: Float[Array, "*b n"], size: int, pad: Literal["constant", "reflect"] = "constant"
) -> Float[Array, "*b m"]:
    """The sound with size // 2 samples more at both ends, so that frame i is centred on sample i * hop."""
    return jnp.pad(wave, [(0, 0)] * (wave.ndim - 1) + [(size // 2, size // 2)], mode=pad)


def frames(wave: Float[Array, "*b n"], size: int, hop: int) -> Float[Array, "*b t s"]:
    """Frame i holds samples i * hop ... i * hop + size - 1; t = 1 + (n - size) // hop.

    Made of strided slices as long as the greatest common divisor of size and hop, so that neither it nor its gradient
    gathers single samples.
    """
    count, step = 1 + (wave.shape[-1] - size) // hop, math.gcd(size, hop)
    stride = hop // step
    steps = wave[..., : (count - 1) * hop + size].reshape(*wave.shape[:-1], -1, step)
    pieces = [steps[..., k : k + (count - 1) * stride + 1 : stride, :] for k in range(size // step)]
    return jnp.concatenate(pieces, axis=-1)


def over_frames(
    function: Callable[[Float[Array, "*b t s"]], PyTree], wave: Float[Array, "*b n"], size: int, hop: int
) -> PyTree:
    """`function(frames(wave, size, hop))` block by block; it must treat frames alike and return arrays [*c, t, f]."""
    count = 1 + (wave.shape[-1] - size) // hop
    block = min(count, _BLOCK)
    blocks = -(-count // block)
    missing = (blocks * block - 1) * hop + size - wave.shape[-1]
    wave = jnp.pad(wave, [(0, 0)] * (wave.ndim - 1) + [(0, max(0, missing))])

    def of_block(first):
        own = jax.lax.dynamic_slice_in_dim(wave, first, (block - 1) * hop + size, axis=-1)
        return function(frames(own, size, hop))

    def joined(parts):
        parts = jnp.moveaxis(parts, 0, -3)
        return parts.reshape(*parts.shape[:-3], -1, parts.shape[-1])[..., :count, :]

    return jax.tree.map(joined, jax.lax.map(of_block, block * hop * jnp.arange(blocks)))


def spectrum(
    pieces: Float[Array, "*b s"], window: Window = "hann"
) -> tuple[Float[Array, "*b f"], Float[Array, "*b f"]]:
    """Real and imaginary DFT under a periodic window, with about ten bits more than float32 arithmetic gives.

    A quiet band beside a loud one drowns in the rounding of a float32 FFT (and in that of pre-emphasis, which is
    therefore best done on spectra). So samples and kernel are cut into multiples of 1/256 and a rest (Ozaki et al.
    2012): the products of multiples and their sums are exact in float32, and all others are small.
    """
    kernel = _fourier(pieces.shape[-1], window)
    coarse_kernel = np.round(256 * kernel) / 256
    coarse = jnp.round(256 * pieces) / 256  # has no derivative, so that of the rest is the DFT's
    multiply = functools.partial(jnp.matmul, precision="highest")
    exact = multiply(coarse, jnp.asarray(coarse_kernel, jnp.float32))
    small = multiply(coarse, jnp.asarray(kernel - coarse_kernel, jnp.float32))
    small = small + multiply(pieces - coarse, jnp.asarray(kernel, jnp.float32))
    return tuple(jnp.split(exact + small, 2, axis=-1))


@functools.cache
def _fourier(size: int, window: Window) -> Float[np.ndarray, "s w"]:
    """The window times cosines, and times sines."""
    n = np.arange(size)
    floor = {"hann": 0.5, "hamming": 0.54}[window]
    shape = floor - (1 - floor) * np.cos(2 * np.pi * n / size)
    angle = 2 * np.pi / size * (np.outer(n, np.arange(size // 2 + 1)) % size)
    return shape[:, None] * np.concatenate([np.cos(angle), -np.sin(angle)], axis=1)
