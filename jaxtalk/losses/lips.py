"""Losses on expression coefficients and the mouth they make: per frame and unreduced, but for `discordance`."""

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


def discordance(
    predicted: Float[Array, "*b"], truth: Float[Array, "*b"], weight: Float[Array, "*b"]
) -> Float[Array, ""]:
    """1 - Lin's concordance correlation (Biometrics 1989) over elements with a weight: 0 where all agree, at most 2.

    Squared error, where little can be known, is least for motion that hardly leaves its mean; concordance wants the
    true mean and spread besides correlation.
    """
    share = weight / jnp.maximum(weight.sum(), 1e-6)
    x, y = predicted - (share * predicted).sum(), truth - (share * truth).sum()
    apart = (share * (predicted - truth)).sum() ** 2
    spread = (share * x**2).sum() + (share * y**2).sum() + apart
    return 1.0 - 2.0 * (share * x * y).sum() / jnp.maximum(spread, 1e-9)
