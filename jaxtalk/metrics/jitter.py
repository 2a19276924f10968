"""Does a movement tremble?"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxtalk.metrics.mean import Mean


def jitter(movement: Float[Array, "*b t"], fps: float | int) -> Mean:
    """Mean size of the acceleration, in units a second squared: 0 at rest and in even movement."""
    return Mean.of(jnp.abs(movement[..., 2:] - 2 * movement[..., 1:-1] + movement[..., :-2]) * fps**2)
