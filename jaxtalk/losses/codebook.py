"""Losses of a motion prior with a codebook and of what predicts its codes (CodeTalker, CVPR 2023, sec. 3.2 and 3.3).

One value for each example; `own` says which of its frames count, all if it is not given. Features and codes have their
axes behind time: [b, t, *f].
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

BETA = 0.25  # weight of commitment, as published


def quantisation(
    features: Float[Array, "b t *f"],
    codes: Float[Array, "b t *f"],
    own: Bool[Array, "b t"] | None = None,
    beta: float = BETA,
) -> Float[Array, "b"]:
    """Codes are drawn to features, and features held to their codes; what the other is drawn to is constant.

    Where the codes are moving averages, only the second term, `beta` times `commitment`, is needed.
    """
    drawn = _mean(jnp.square(jax.lax.stop_gradient(features) - codes), own)
    return drawn + beta * commitment(features, codes, own)


def commitment(
    features: Float[Array, "b t *f"], codes: Float[Array, "b t *f"], own: Bool[Array, "b t"] | None = None
) -> Float[Array, "b"]:
    """Squared distance of features from their codes, or of predicted ones from the codes of the truth."""
    return _mean(jnp.square(features - jax.lax.stop_gradient(codes)), own)


def absolute_error(
    made: Float[Array, "b t *f"], truth: Float[Array, "b t *f"], own: Bool[Array, "b t"] | None = None
) -> Float[Array, "b"]:
    """Of the prior's motion (stage one)."""
    return _mean(jnp.abs(made - truth), own)


def squared_error(
    made: Float[Array, "b t *f"], truth: Float[Array, "b t *f"], own: Bool[Array, "b t"] | None = None
) -> Float[Array, "b"]:
    """Of the predicted motion (stage two)."""
    return _mean(jnp.square(made - truth), own)


def _mean(each: Float[Array, "b t *f"], own: Bool[Array, "b t"] | None) -> Float[Array, "b"]:
    """Over the frames that count; 0 if none does."""
    each = each.astype(jnp.float32).reshape(*each.shape[:2], -1).mean(-1)
    if own is None:
        return each.mean(1)
    return jnp.where(own, each, 0).sum(1) / jnp.maximum(own.sum(1), 1)
