"""Losses of landmark and face detection networks, per example."""

import jax.numpy as jnp
from jaxtyping import Array, Float

MOST = (-6.0, 1.0)  # limits of the log spread: beyond them the likelihood has no gradient


def gaussian(
    points: Float[Array, "b n 2"], log_spread: Float[Array, "b n"], truth: Float[Array, "b n 2"]
) -> Float[Array, "b"]:
    """Negative log likelihood of points under isotropic Gaussians, mean over the points, up to a constant.

    2 log s + |x - t|^2 / (2 s^2): a network that is unsure of a point says so in s (Wood et al., ECCV 2022, eq. 1).
    """
    log_spread = jnp.clip(log_spread, *MOST)
    squared = ((points - truth) ** 2).sum(-1)
    return (2 * log_spread + squared / 2 * jnp.exp(-2 * log_spread)).mean(-1)


def distance(points: Float[Array, "b n 2"], truth: Float[Array, "b n 2"]) -> Float[Array, "b"]:
    """Mean Euclidean distance of points; its gradient exists everywhere."""
    return jnp.sqrt(((points - truth) ** 2).sum(-1) + 1e-8).mean(-1)


def over_eyes(points: Float[Array, "b 68 2"], truth: Float[Array, "b 68 2"]) -> Float[Array, "b"]:
    """Mean error of 68 points over the distance between the outer eye corners: the usual measure.

    In profile that distance vanishes; it is taken as at least a quarter of the longer side of the points' box.
    """
    eyes = jnp.linalg.norm(truth[:, 36] - truth[:, 45], axis=-1)
    box = (truth.max(1) - truth.min(1)).max(-1)
    return jnp.linalg.norm(points - truth, axis=-1).mean(-1) / jnp.maximum(eyes, box / 4)
