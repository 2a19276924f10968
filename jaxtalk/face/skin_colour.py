"""How likely a colour is that of skin: Bayes' rule with one Gaussian in RGB for skin and one for everything else.

Deep3DFaceRecon takes a naive Bayes classifier with Gaussian mixtures, trained on photographs (Deng et al., CVPRW 2019,
sec. 4.1, after Jones and Rehg, IJCV 2002). Ours is fitted to the pictures that it is used on, without any labels but
their landmarks: what lies well inside the outline of a face is skin, what lies well outside is not. A Gaussian with
a full covariance is the same in RGB as in any linear space of colours (YCbCr).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from PIL import Image, ImageDraw

PRIOR = 0.8  # of skin, within the face; the published one
_LEAST = 1e-4  # variance that is added to every colour: a picture's noise


class SkinColour(NamedTuple):
    """The two Gaussians, skin first."""

    mean: Float[Array, "2 3"]
    precision: Float[Array, "2 3 3"]
    constant: Float[Array, "2"]  # log of the prior, less half the log determinant of the covariance

    def probability(self, colours: Float[Array, "*p 3"]) -> Float[Array, "*p"]:
        """Of skin, for RGB from 0 to 1."""
        off = colours[..., None, :] - jnp.broadcast_to(self.mean, (*colours.shape[:-1], 2, 3))
        distance = jnp.einsum("...ki,kij,...kj->...k", off, self.precision, off)
        score = jnp.broadcast_to(self.constant, distance.shape) - distance / 2
        return jax.nn.sigmoid(score[..., 0] - score[..., 1])


def fit(pictures: Float[np.ndarray, "n h w 3"], landmarks: Float[np.ndarray, "n 68 2"]) -> SkinColour:
    """The classifier of pictures (RGB from 0 to 1) with 68 landmarks in pixels."""
    labels = [label(points, picture.shape[:2]) for picture, points in zip(pictures, landmarks, strict=True)]
    groups = [np.concatenate([p[mask[k]] for p, mask in zip(pictures, labels, strict=True)]) for k in range(2)]
    covariance = np.stack([np.cov(group.T) + _LEAST * np.eye(3) for group in groups])
    constant = np.log([PRIOR, 1 - PRIOR]) - np.linalg.slogdet(covariance)[1] / 2
    values = (np.stack([group.mean(0) for group in groups]), np.linalg.inv(covariance), constant)
    return SkinColour(*(jnp.asarray(value, jnp.float32) for value in values))


def label(
    landmarks: Float[np.ndarray, "68 2"], size: tuple[int, int]
) -> tuple[Bool[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
    """Pixels that are skin for certain, and pixels that are not; what is doubtful is neither."""
    points = np.asarray(landmarks, float)
    middle = points[30]
    face = np.concatenate([points[0:17], points[26:16:-1]])  # up to the brows
    skin = _inside(0.9 * (face - middle) + middle, size)
    for feature in (points[36:42], points[42:48], points[48:60], points[17:22], points[22:27]):
        centre = feature.mean(0)
        wide = np.maximum(np.ptp(feature, axis=0), 0.3 * np.ptp(feature, axis=0).max())
        skin &= ~_box(centre, 0.65 * wide, size)
    reach = np.ptp(points, axis=0)
    # Hair, ears, neck and forehead are within 0.35 of the face's size.
    around = _box((points.max(0) + points.min(0)) / 2, 0.85 * reach, size)
    return skin, ~around


def _inside(polygon, size):
    mask = Image.new("L", size[::-1])
    ImageDraw.Draw(mask).polygon([tuple(p) for p in polygon.tolist()], fill=1)
    return np.asarray(mask) > 0


def _box(centre, half, size):
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    return (np.abs(x - centre[0]) < half[0]) & (np.abs(y - centre[1]) < half[1])
