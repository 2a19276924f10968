"""How far a face is from where it should be, in the units of its parameters."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxtalk.metrics.mean import Mean


def squared_error(predicted: Float[Array, "*b t f"], truth: Float[Array, "*b t f"]) -> Mean:
    """The 2003 system's error: mean over frames and parameters of the squared difference, in square FAP units.

    Of FAP vectors and the patterns that stand for them, it says what the patterns lose; of predictions, closed set
    where the network was trained and open set where it was not.
    """
    return Mean.of(jnp.mean((predicted - truth) ** 2, axis=-1))


def spread(truth: Float[Array, "t f"]) -> Mean:
    """The squared error of a face that rests in its mean pose: what an error is worth is seen beside it."""
    return squared_error(jnp.broadcast_to(truth.mean(0, keepdims=True), truth.shape), truth)
