"""The crops that Deep3DFaceRecon sees: scaled and moved so that five points fit a standard face, but never turned.

    68 landmarks --five points--> weak perspective of the standard face --its scale and place--> 224 x 224 pixels

The published code is followed to the pixel (util/preprocess.py), rounding to whole pixels included. It takes picture
coordinates with y upwards and pixel middles at whole numbers; `published` gives its parameters, which MappingNet for
whole pictures and files of coefficients hold. Ours have y downwards and middles at halves.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8
from PIL import Image

SIZE = 224  # pixels: side of a crop
# Middles of the image's left and right eye, tip of the nose, the mouth's left and right corner on the standard face.
TEMPLATE = np.array(
    [
        [-0.311487, 0.290361, 0.133780],
        [0.309799, 0.289720, 0.131795],
        [0.003254, -0.046179, 0.552442],
        [-0.252169, -0.381339, 0.224057],
        [0.248466, -0.381282, 0.222358],
    ]
)
_FACE = 102.0  # pixels in a crop for a length of 1 on the standard face
# Least squares: five points [5] are the standard ones times a row [3], plus a constant.
_SOLVE = np.linalg.pinv(np.hstack([TEMPLATE, np.ones((5, 1))])).astype(np.float32)


class Alignment(NamedTuple):
    """How a picture becomes a crop."""

    scale: Float[Array, "*b"]  # pixels of the crop in one of the picture
    centre: Float[Array, "*b 2"]  # pixels of the picture: where the standard face's origin lies


class Place(NamedTuple):
    """Where the pixels of a crop come from, after rounding: crop = scale * picture - corner, for x and y."""

    scale: Float[np.ndarray, "2"]
    corner: Float[np.ndarray, "2"]

    def to_picture(self, points: Float[np.ndarray, "*b 2"]) -> Float[np.ndarray, "*b 2"]:
        return (points + self._like(self.corner, points)) / self._like(self.scale, points)

    def to_crop(self, points: Float[np.ndarray, "*b 2"]) -> Float[np.ndarray, "*b 2"]:
        return points * self._like(self.scale, points) - self._like(self.corner, points)

    @staticmethod
    def _like(value, points):
        return np.broadcast_to(value, points.shape)


def five_points(landmarks: Float[Array, "*b 68 2"]) -> Float[Array, "*b 5 2"]:
    """Middles of each eye's corners (`jaxtalk.face.align` takes all six points), tip of the nose, mouth corners."""
    eyes = [(landmarks[..., a, :] + landmarks[..., b, :]) / 2 for a, b in ((36, 39), (42, 45))]
    return jnp.stack([*eyes, *(landmarks[..., k, :] for k in (30, 48, 54))], axis=-2)


def align(landmarks: Float[Array, "*b 68 2"]) -> Alignment:
    """The weak perspective that brings the standard face nearest to the five points, in the least squares of pixels.

    An affine map of the standard face's three axes onto x and y, whose rows' mean length is the scale; how it turns
    and shears is dropped. Points in one place give a scale of up to 1e14.
    """
    solution = jnp.einsum("ij,...jc->...ic", jnp.asarray(_SOLVE), five_points(landmarks), precision="highest")
    length = jnp.sqrt(jnp.maximum((solution[..., :3, :] ** 2).sum(-2), 1e-24)).mean(-1)
    return Alignment(_FACE / length, solution[..., 3, :])


def published(alignment: Alignment, height: int) -> Float[Array, "*b 3"]:
    """Scale and place as the published code keeps them: x, and y from the last row upwards."""
    x, y = jnp.moveaxis(jnp.asarray(alignment.centre), -1, 0)
    return jnp.stack([jnp.asarray(alignment.scale), x - 0.5, height - 0.5 - y], axis=-1)


def place(alignment: Alignment, height: int, width: int) -> Place:
    """Where the crop of one face lies in its picture. The published code drops fractions of pixels at three places."""
    scale, x, y = (float(value) for value in (alignment.scale, *alignment.centre))
    sizes = np.array([width, height])
    grown = np.maximum((sizes * scale).astype(np.int64), 1)
    middle = np.array([x - 0.5, y + 0.5])  # half a pixel off: the published code takes middles of pixels for edges
    corner = (grown / 2 - SIZE / 2 + (middle - sizes / 2) * scale).astype(np.int64)
    return Place(grown / sizes, corner.astype(np.float64))


def crop(picture: UInt8[np.ndarray, "h w 3"], alignment: Alignment) -> tuple[UInt8[np.ndarray, "224 224 3"], Place]:
    """The crop of one face, bicubic, black beyond the picture, and where it lies.

    Only what is seen is resampled; the published code resizes the whole picture first.
    """
    where = place(alignment, *picture.shape[:2])
    size = np.round(where.scale * picture.shape[1::-1]).astype(np.int64)  # of the whole picture at the crop's scale
    corner = where.corner.astype(np.int64)
    low, high = np.clip(corner, 0, size), np.clip(corner + SIZE, 0, size)
    out = np.zeros((SIZE, SIZE, 3), np.uint8)
    if (high > low).all():
        box = tuple(np.concatenate([low, high]) / np.tile(where.scale, 2))
        seen = Image.fromarray(picture).resize(tuple(high - low), Image.Resampling.BICUBIC, box=box)
        (left, top), (right, bottom) = low - corner, high - corner
        out[top:bottom, left:right] = np.asarray(seen)
    return out, where
