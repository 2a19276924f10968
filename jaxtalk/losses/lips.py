"""Losses on expression coefficients and the mouth they make, per frame and unreduced."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def coefficients(
    predicted: Float[Array, "*b e"],
    truth: Float[Array, "*b e"],
    spread: Float[Array, "e"],
    known: Float[Array, "*b e"],
) -> Float[Array, "*b"]:
    """Mean squared error of the known coefficients, each in units of its spread."""
    error = ((predicted - truth) / jnp.broadcast_to(spread, truth.shape)) ** 2 * known
    return error.sum(-1) / jnp.maximum(known.sum(-1), 1.0)


def lip_points(
    predicted: Float[Array, "*b e"], truth: Float[Array, "*b e"], points: Float[Array, "e p3"]
) -> Float[Array, "*b"]:
    """Mean squared distance of landmarks, which are linear in the coefficients; in the unit of `points`, squared."""
    return (((predicted - truth) @ points) ** 2).sum(-1) / (points.shape[1] // 3)
