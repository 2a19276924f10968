"""Does a movement tremble? Its acceleration, by second differences.

0 at rest and in even movement; lower is steadier, but the filmed person's own figure is the aim: what is smoothed to
death has none either. Traps: it grows with the square of the frame rate for the same noise, so only figures at one rate
may be compared; works on bodies call the third difference (jerk) by the same name; a tracker trembles too.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxtalk.metrics.mean import Mean


def jitter(movement: Float[Array, "*b t"], fps: float | int) -> Mean:
    """Mean size of the acceleration, in units a second squared; of clips of fewer than three frames 0 of none."""
    return Mean.of(jnp.abs(movement[..., 2:] - 2 * movement[..., 1:-1] + movement[..., :-2]) * fps**2)


@functools.partial(jax.jit, static_argnames="fps")
def acceleration(points: Float[Array, "*b t k d"], fps: float | int) -> Float[Array, "*b s"]:
    """Mean over k points of the length of their acceleration, in units a second squared, for each frame but the ends.

    s = max(0, t - 2): value i is that of frame i + 1. Of landmarks in pixels it also holds how the head moves; to
    judge lips alone, bring the points into the head's own frame first.
    """
    change = points[..., 2:, :, :] - 2 * points[..., 1:-1, :, :] + points[..., :-2, :, :]
    return jnp.linalg.norm(change, axis=-1).mean(-1) * fps**2
