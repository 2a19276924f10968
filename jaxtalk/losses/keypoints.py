"""What face-vid2vid asks of keypoints besides that pictures can be drawn from them (CVPR 2021, appendix A).

Keypoints are (x, y, z) from -1 to 1. The constants are those of the paper and of its public training code.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

APART = 0.1  # squared distance that two keypoints should have
DEPTH = 0.33  # mean z of the keypoints


def equivariance(
    points: Float[Array, "b k 3"],
    of_warped: Float[Array, "b k 3"],
    place: Callable[[Float[Array, "b k 2"]], Float[Array, "b k 2"]],
) -> Float[Array, "b"]:
    """Mean |p - place(p')| along x and y: keypoints p' of a warped picture, brought back, are those of the picture.

    `place` says from where in the picture the warped one took what it shows; z is not asked for, since a picture cannot
    be warped in depth.
    """
    return jnp.abs(points[..., :2] - place(of_warped[..., :2])).mean((1, 2))


def prior(points: Float[Array, "b k 3"]) -> Float[Array, "b"]:
    """Keypoints spread out, and their mean depth is DEPTH.

    sum over pairs i != j (each twice) of max(0, APART - |p_i - p_j|^2), plus |mean z - DEPTH|. The published code also
    counts i = j, which adds k APART and no gradient.
    """
    squared = ((points[:, :, None] - points[:, None]) ** 2).sum(-1)
    near = jnp.maximum(0.0, APART - squared) * (1 - jnp.eye(points.shape[1]))[None]
    return near.sum((1, 2)) + jnp.abs(points[..., 2].mean(-1) - DEPTH)


def head_pose(angles: Float[Array, "b 3"], truth: Float[Array, "b 3"]) -> Float[Array, "b"]:
    """Sum of |difference| of yaw, pitch and roll, in degrees."""
    return jnp.abs(angles - truth).sum(-1)


def deformation(expression: Float[Array, "b k 3"]) -> Float[Array, "b"]:
    """How far the expression moves keypoints: mean over them of |x| + |y| + |z|."""
    return jnp.abs(expression).sum(-1).mean(-1)
