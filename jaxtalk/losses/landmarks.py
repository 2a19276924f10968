"""Losses of landmark and face detection networks, per example."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

MOST = (-6.0, 1.0)  # limits of the log spread: beyond them the likelihood has no gradient

# Of the 68 points for 3D reconstruction (Deng et al., CVPRW 2019, sec. 4.1): the nose's bridge and the inner lips.
NOSE_AND_MOUTH = np.ones(68, np.float32)
NOSE_AND_MOUTH[[28, 29, 30, *range(60, 68)]] = 20.0


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


def weighted(
    points: Float[Array, "*b n d"], truth: Float[Array, "*b n d"], weight: Float[Array, "n"]
) -> Float[Array, "*b"]:
    """Weighted mean of the squared distances of points, in their unit squared: SadTalker's L_lks."""
    squared = ((points - truth) ** 2).sum(-1)
    return (squared * (jnp.broadcast_to(weight, squared.shape) / weight.sum())).sum(-1)


def nose_and_mouth(points: Float[Array, "*b 68 2"], truth: Float[Array, "*b 68 2"]) -> Float[Array, "*b"]:
    """Sum over the points of NOSE_AND_MOUTH times the squared distance, over their number (Deng et al. 2019).

    Pixels are those of a crop of 224.
    """
    return NOSE_AND_MOUTH.mean() * weighted(points, truth, jnp.asarray(NOSE_AND_MOUTH))


def eye_ratio(ratio: Float[Array, "*b"], wanted: Float[Array, "*b"], open_eye: float) -> Float[Array, "*b"]:
    """How far eyes are from as open as the blink signal wants them: 0 or more, 1 where one is open and one is shut.

    Ratios are `face.landmarks.eye_aspect_ratio`, `open_eye` is that of the face at rest: L_eye of SadTalker (Zhang et
    al., CVPR 2023, sec. 3.2), by which eyes follow the signal alone.
    """
    return jnp.abs(ratio - wanted) / open_eye
