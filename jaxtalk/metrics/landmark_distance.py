"""How far are the landmarks of the drawn face from those of the filmed one? LMD, in pixels of the frame.

Chen et al., "Lip movements generation at a glance" (ECCV 2018): the mean over frames and points of the
Euclidean distance. From 0, lower is better. Traps, because of which figures of two papers can seldom be compared:

- Pixels of which frame? Landmarks found at 256 x 256 give half the figure of 512 x 512. State the size, or use
  `over_eyes`, which needs none.
- Which points? Lips (LMD, M-LMD) or all 68 (F-LMD). Which detector? Its own error is part of the figure.
- `centred` or not. The paper's formula is not; the code of ATVGnet (Chen et al., CVPR 2019) takes each mouth less its
  own mean, and the sum over the 20 points instead of the mean: 20 times ours with part="mouth", centred=True. The
  evaluation that NeRF systems share (RAD-NeRF) is centred and takes the mean: ours with these two.
- A head that moves otherwise than the filmed one is punished unless `centred`; its turning and size even then.
"""

import functools
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Part = Literal["mouth", "face"]

_POINTS = {"mouth": slice(48, 68), "face": slice(0, 68)}
_EYE_CORNERS = (36, 45)  # outer


@functools.partial(jax.jit, static_argnames=("part", "centred", "over_eyes"))
def landmark_distance(
    predicted: Float[Array, "*b 68 d"],
    truth: Float[Array, "*b 68 d"],
    part: Part = "mouth",
    *,
    centred: bool = False,
    over_eyes: bool = False,
) -> Float[Array, "*b"]:
    """Mean Euclidean distance of the part's points, frame by frame: LMD with "mouth", F-LMD with "face".

    68 points in Multi-PIE order. In the unit of the points; with `over_eyes` over the distance between the truth's
    outer eye corners, which is taken as at least a quarter of the longer side of its 68 points' box (profiles).
    With `centred` the mean of the part's own points is taken from both first, so that only its shape counts.
    """
    ours, theirs = predicted[..., _POINTS[part], :], truth[..., _POINTS[part], :]
    if centred:
        ours, theirs = (points - points.mean(-2, keepdims=True) for points in (ours, theirs))
    distance = jnp.linalg.norm(ours - theirs, axis=-1).mean(-1)
    return distance / _eye_distance(truth) if over_eyes else distance


def _eye_distance(points: Float[Array, "*b 68 d"]) -> Float[Array, "*b"]:
    left, right = (points[..., corner, :] for corner in _EYE_CORNERS)
    box = (points.max(-2) - points.min(-2)).max(-1)
    return jnp.maximum(jnp.maximum(jnp.linalg.norm(left - right, axis=-1), box / 4), 1e-6)
