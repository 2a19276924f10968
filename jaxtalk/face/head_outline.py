"""Where a fitted head is in a picture: the outline of its skull, face and ears, without the neck."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.ndimage
import scipy.spatial
from jaxtyping import Array, Float
from PIL import Image, ImageDraw

from jaxtalk.face.fit import Fit
from jaxtalk.face.model import FaceModel, pose

CHIN = 8  # of the 68 points
BELOW = 0.004  # metres that the head may reach below the chin


class Outline(NamedTuple):
    """A head in one picture, in pixels of it."""

    hull: Float[np.ndarray, "n 2"]  # convex polygon
    chin: Float[np.ndarray, "2"]

    @property
    def low(self) -> Float[np.ndarray, "2"]:
        return self.hull.min(0)

    @property
    def extent(self) -> Float[np.ndarray, "2"]:
        """Width and height."""
        return np.ptp(self.hull, axis=0)

    @property
    def middle(self) -> Float[np.ndarray, "2"]:
        return self.low + self.extent / 2

    def scaled(self, factor: float) -> "Outline":
        return Outline(self.hull * factor, self.chin * factor)

    def distance(self, height: int, width: int) -> Float[np.ndarray, "h w"]:
        """Pixels from each pixel to the outline, negative inside."""
        canvas = Image.new("L", (width, height))
        ImageDraw.Draw(canvas).polygon([tuple(p) for p in self.hull.tolist()], fill=1)
        inside = np.asarray(canvas, bool)
        if not inside.any():
            return np.full((height, width), float(height + width))
        out = scipy.ndimage.distance_transform_edt(~inside)
        framed = np.pad(inside, 1, mode="edge")  # a head that the picture cuts goes on beyond it
        return np.where(inside, -scipy.ndimage.distance_transform_edt(framed)[1:-1, 1:-1], out)


def outlines(model: FaceModel, fitted: Fit) -> list[Outline]:
    """The head in every frame of a fitted clip."""
    rest = np.asarray(model.vertices(fitted.identity))
    chin = rest[int(model.landmarks[CHIN])]
    head = rest[rest[:, 1] >= chin[1] - BELOW]
    corners = head[scipy.spatial.ConvexHull(head).vertices]  # no others can be corners of its picture
    places = np.asarray(_places(jnp.asarray(np.concatenate([corners, chin[None]])), fitted))
    return [Outline(points[scipy.spatial.ConvexHull(points).vertices], points[-1]) for points in places]


@jax.jit
def _places(points: Float[Array, "n 3"], fitted: Fit) -> Float[Array, "t n 2"]:
    posed = pose(jnp.broadcast_to(points, (len(fitted.angles), *points.shape)), fitted.angles, fitted.translation)
    return fitted.camera.project(posed)[..., :2]
