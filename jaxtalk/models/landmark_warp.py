"""A face at rest from a face that moves: where the matter at a point would be if no landmark had moved.

    x at rest = x - sum over k of a_k (landmark_k - rest_k),     a_k = near_k / (sum of near + FADE)
    near_k = exp(-|x - landmark_k|^2 / (2 reach^2))

So a field need not learn where a lip is at every moment: it is a face at rest, which lies still (INSTA, Zielonka et al.
2023, does this with the triangles of a mesh). Far from all landmarks nothing moves.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

FADE = 0.1


class Rest(NamedTuple):
    """Where the landmarks of a face at rest are, before the pose, in metres."""

    mean: Float[Array, "k 3"]
    spread: Float[Array, "k 3"]  # the unit in which a field is told how far they are away
    reach: float  # how far a landmark takes the skin along


def at_rest(
    points: Float[Array, "n 3"], landmarks: Float[Array, "k 3"], rest: Float[Array, "k 3"], reach: float
) -> Float[Array, "n 3"]:
    """Points of the face whose landmarks are given -> those of the face at rest; all in one unit, as is `reach`."""
    squared = (
        jnp.square(points).sum(-1)[:, None]
        + jnp.square(landmarks).sum(-1)[None]
        - 2 * jnp.matmul(points, landmarks.T, precision="highest")
    )
    near = jnp.exp(-jnp.maximum(squared, 0.0) / (2 * reach**2))
    share = near / (near.sum(-1, keepdims=True) + FADE)
    return points - jnp.matmul(share, landmarks - rest, precision="highest")
