"""How far is generated motion from one person's? Statistics of single frames that no network was trained for.

Frames are rows of numbers (the motion of 68 points) of one unit; all figures are in that unit, or its square, lower is
better, and 0 where both sets are the same. None of them looks at time or at the speech: motion that has nothing to do
with the sound can score well, so give a measure of sync beside them.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy.spatial
from jaxtyping import Array, Float

from jaxtalk.metrics import fid


class Distance(NamedTuple):
    """Of generated frames to a person's."""

    mean: float  # root mean square, over the numbers, of the difference of means
    spread: float  # the same of the standard deviations
    frechet: float  # `fid.frechet_distance` of the person's first principal components; squared unit
    nearest: float  # mean distance of a generated frame to the nearest of the person's, over the root of their length


def distance(
    generated: Float[Array | np.ndarray, "n m"], person: Float[Array | np.ndarray, "k m"], components: int = 12
) -> Distance:
    """`components`: of the person's frames, by which both sets are compared in `frechet`."""
    generated, person = (np.asarray(x, np.float64) for x in (generated, person))
    apart = generated.mean(0) - person.mean(0)
    wider = generated.std(0) - person.std(0)
    axes = np.linalg.svd(person - person.mean(0), full_matrices=False)[2][:components]
    frechet = fid.Frechet.of(generated @ axes.T, person @ axes.T).value()
    away, _ = scipy.spatial.cKDTree(person).query(generated)
    size = np.sqrt(person.shape[1])
    return Distance(
        mean=float(np.sqrt(np.mean(apart**2))),
        spread=float(np.sqrt(np.mean(wider**2))),
        frechet=frechet,
        nearest=float(away.mean() / size),
    )


def speed_spectrum(track: Float[Array, "t d"], fps: float, edges: tuple[float, ...]) -> Float[Array, "bands"]:
    """Share of a track's variance between neighbouring edges in hertz: does it move slowly, nod or tremble?

    Of the Fourier transform over the whole track under a Hann window, summed over its numbers; what lies outside of
    the edges is in no share.
    """
    window = jnp.hanning(len(track))[:, None]
    power = jnp.sum(jnp.abs(jnp.fft.rfft((track - track.mean(0, keepdims=True)) * window, axis=0)) ** 2, axis=-1)
    power = power.at[0].set(0.0)  # the mean, which the window lets in again
    hertz = jnp.fft.rfftfreq(len(track), 1 / fps)
    between = [(hertz >= low) & (hertz < high) for low, high in zip(edges[:-1], edges[1:], strict=True)]
    return jnp.stack([jnp.sum(power * inside) for inside in between]) / jnp.maximum(power.sum(), 1e-20)
