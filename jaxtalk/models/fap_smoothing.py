"""Smoothing of what the FAP perceptron says: interpolation from one frame's pattern to the next's.

Measured in configs/fap.py. Going straight from the middle of one pattern's stay to the middle of the next's was worse:
faces rest long and then move at once.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@functools.partial(jax.jit, static_argnames="reach")
def smooth(faps: Float[Array, "t d"], reach: int) -> Float[Array, "t d"]:
    """Each frame as the mean of its neighbours up to `reach` away, by triangular weights; the ends are repeated.

    A jump from one pattern to another becomes a path of 2 reach frames without corners; steady movement stays as it is.
    It costs `reach` frames of latency.
    """
    padded = jnp.pad(faps, ((reach, reach), (0, 0)), mode="edge")
    weights = [1 + min(k, 2 * reach - k) for k in range(2 * reach + 1)]
    return sum(w * padded[k : k + len(faps)] for k, w in enumerate(weights)) / sum(weights)
