"""How far are facial animation parameters (MPEG-4) from those of the recorded face?

The figure of the 2003 MPEG-4 system: the mean over frames and parameters of (predicted - truth)^2. From 0, lower is
better, in square FAP units (a FAP unit is 1/1024 of a distance on that very face, such as the mouth's width, or 1e-5
radians; see `jaxtalk.face.fap`). Closed set where the frames were trained on, open set where not. Traps:

- It is a mean over parameters whose units differ: those that move by many units (jaw, lips) are all that is seen.
  Figures for another choice of parameters (the project takes the 26 that speech moves) cannot be compared.
- It is least for a face that hardly leaves its mean: see `spread` beside it, and `lip_correlation`.
- Its root is not the mean distance.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxtalk.metrics.mean import Mean


def squared_error(predicted: Float[Array, "*b t f"], truth: Float[Array, "*b t f"]) -> Mean:
    """Mean over frames and parameters of the squared difference, in square FAP units; every frame counts the same.

    Of FAP vectors and the patterns that stand for them, it says what the patterns lose.
    """
    return Mean.of(jnp.mean((predicted - truth) ** 2, axis=-1))


def spread(truth: Float[Array, "t f"]) -> Mean:
    """The squared error of a face that rests in its mean pose: what an error is worth is seen beside it."""
    return squared_error(jnp.broadcast_to(truth.mean(0, keepdims=True), truth.shape), truth)
