"""How well scores tell two kinds apart: the area under the ROC curve."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def auc(positive: Float[Array, "n"], negative: Float[Array, "m"]) -> Float[Array, ""]:
    """Probability that a positive scores higher than a negative, ties counting half (Mann and Whitney 1947).

    From 0 to 1, higher is better, 0.5 by chance; 0.5 too where there are no positives or no negatives. It depends on
    all pairs, so it does not merge from parts: gather the scores first.
    """
    if positive.size == 0 or negative.size == 0:
        return jnp.float32(0.5)
    ordered = jnp.sort(negative)
    below = jnp.searchsorted(ordered, positive, side="left") + jnp.searchsorted(ordered, positive, side="right")
    return jnp.mean(below.astype(jnp.float32)) / (2.0 * negative.size)
