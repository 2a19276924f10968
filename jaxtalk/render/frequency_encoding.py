"""Sines and cosines of numbers at octaves, so that a perceptron can tell close ones apart (NeRF, section 5.1).

There is no factor of pi: the published codes of RAD-NeRF, AD-NeRF and GeneFace leave it out.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def frequencies(x: Float[Array, "*p d"], octaves: int) -> Float[Array, "*p e"]:
    """x itself, then for each octave k the sines of all 2^k x and the cosines of all: d (1 + 2 octaves) numbers.

    float32, whatever the type of x: the highest octave multiplies a rounding error by 2^(octaves - 1).
    """
    x = x.astype(jnp.float32)
    scale = np.exp2(np.arange(octaves, dtype=np.float32))[:, None]
    angles = x[..., None, :] * jnp.expand_dims(scale, tuple(range(x.ndim - 1)))  # p k d
    waves = jnp.stack([jnp.sin(angles), jnp.cos(angles)], -2)  # p k 2 d
    return jnp.concatenate([x, waves.reshape(*x.shape[:-1], -1)], -1)
