"""Variations of normalised log-mel, windows or sentences, that leave the lips as they are: another throat or room."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from jaxtalk.audio import mel

_TRACTS = np.linspace(
    0.82, 1.22, 21
)  # factors on all frequencies: shorter and longer vocal tracts (Jaitly, Hinton 2013)


def augment(rng: Key[Array, ""], windows: Float[Array, "b 80 t"], plain: float = 0.0) -> Float[Array, "b 80 t"]:
    """Each window with its own vocal tract, colour, noise floor and a hidden band (SpecAugment, Park et al. 2019).

    A share `plain` of the windows stays as it is.
    """
    tract, colour, floor, noise, hide, keep = jax.random.split(rng, 6)
    x = stretch_frequency(tract, windows)
    x = recolour(colour, x)
    x = raise_floor(floor, x)
    x = x + 0.15 * jax.random.normal(noise, x.shape)
    x = hide_band(hide, x)
    return jnp.where(jax.random.bernoulli(keep, plain, (len(windows), 1, 1)), windows, x)


def stretch_frequency(rng: Key[Array, ""], windows: Float[Array, "b 80 t"]) -> Float[Array, "b 80 t"]:
    """Vocal tract length perturbation: frequencies times a factor in 0.82 ... 1.22."""
    tract = jax.random.randint(rng, windows.shape[:1], 0, len(_TRACTS))
    place = jnp.asarray(_places())[tract]
    low = jnp.minimum(place.astype(jnp.int32), mel.BANDS - 2)
    share = (place - low)[:, :, None]
    below, above = (jnp.take_along_axis(windows, i[:, :, None], axis=1) for i in (low, low + 1))
    return below * (1 - share) + above * share


def recolour(rng: Key[Array, ""], windows: Float[Array, "b 80 t"]) -> Float[Array, "b 80 t"]:
    """Contrast, loudness and a smooth equaliser curve."""
    low = jnp.array([0.8, -0.35, -0.4, -0.3, 1.0, 0.0])
    high = jnp.array([1.2, 0.35, 0.4, 0.3, 3.0, 2.0])
    drawn = jax.random.uniform(rng, (windows.shape[0], 6)) * (high - low)[None] + low[None]
    contrast, gain, tilt, ripple, waves, phase = (column[:, None] for column in drawn.T)
    band = jnp.linspace(-1, 1, mel.BANDS)[None]
    curve = gain + tilt * band + ripple * jnp.cos(jnp.pi * (band * waves + phase))
    return windows * contrast[:, :, None] + curve[:, :, None]


def raise_floor(rng: Key[Array, ""], windows: Float[Array, "b 80 t"]) -> Float[Array, "b 80 t"]:
    """In four of ten windows, steady noise that covers what is quieter."""
    chance, height = jax.random.split(rng)
    floor = jax.random.uniform(height, (windows.shape[0], 1, 1), minval=-4.0, maxval=-0.3)
    covered = floor + jax.nn.softplus(3 * (windows - floor)) / 3
    return jnp.where(jax.random.bernoulli(chance, 0.4, floor.shape), covered, windows)


def hide_band(rng: Key[Array, ""], windows: Float[Array, "b 80 t"]) -> Float[Array, "b 80 t"]:
    """Up to 14 neighbouring bands at their mean, 0."""
    place, size = jax.random.split(rng)
    shape = (windows.shape[0], 1, 1)
    centre = jax.random.uniform(place, shape, maxval=mel.BANDS)
    width = jax.random.uniform(size, shape, maxval=14.0)
    hidden = jnp.abs(jnp.arange(mel.BANDS, dtype=jnp.float32)[None, :, None] - centre) < width / 2
    return jnp.where(hidden, 0.0, windows)


def _places() -> Float[np.ndarray, "f 80"]:
    """For each factor, the (fractional) band whose frequency is that factor times the band's own."""
    frequency = np.arange(mel.SIZE // 2 + 1) * mel.RATE / mel.SIZE
    weight = mel.filters()
    centres = (weight * frequency).sum(1) / weight.sum(1)
    return np.stack([np.interp(centres * f, centres, np.arange(mel.BANDS)) for f in _TRACTS]).astype(np.float32)
