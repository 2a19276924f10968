"""Do lips move with the speech? Correlation of mouth opening with what a tracker saw, and closures that are kept."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxtalk.metrics.mean import Mean


def correlation(predicted: Float[Array, "*b t"], truth: Float[Array, "*b t"]) -> Float[Array, "*b"]:
    """Pearson correlation over time; 0 where one of them does not move."""
    x = predicted - predicted.mean(-1, keepdims=True)
    y = truth - truth.mean(-1, keepdims=True)
    return (x * y).sum(-1) / jnp.sqrt(jnp.maximum((x**2).sum(-1) * (y**2).sum(-1), 1e-20))


def lip_correlation(predicted: Float[Array, "*b t"], truth: Float[Array, "*b t"]) -> Mean:
    """Mean over clips of the correlation of mouth opening; every clip counts the same."""
    return Mean.of(correlation(predicted, truth))


def kept_closures(
    opening: Float[Array, "t"], closures: Bool[Array, "p t"], open_mouth: float, tolerance: float = 0.1
) -> Mean:
    """Share of closures (frames of each /p b m/ phone) in which the lips come within `tolerance` of closed.

    Closed is 0 and `open_mouth` is a wide open vowel of the same speaker. Phones without a frame do not count.
    """
    lowest = jnp.where(closures, opening[None], jnp.inf).min(-1)
    return Mean.of((lowest <= tolerance * open_mouth).astype(jnp.float32), jnp.isfinite(lowest).astype(jnp.float32))
