"""Which vertices of a mesh are its lips, its upper face and its jaw, where figures of animations look.

of a rig         from what its shapes move and where its landmarks are
of any mesh      lips and jaw from what moves most in recordings; nobody knows the upper face then
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxtalk.face.model import REGIONS, FaceModel

_NEAR = 0.006  # metres from the lines of the lips
_MOVED = 0.0005  # metres, by a shape of brows or eyes
_UPPER = ("brow", "eyeBlink", "eyeSquint", "eyeWide", "cheekSquint")
_CHIN = 8  # landmark
_SHARE = 0.03  # of all vertices of a mesh without landmarks: its lips
_LIPS = (range(48, 60), range(60, 68))  # closed lines through landmarks: outer and inner


class Regions(NamedTuple):
    lips: Int[np.ndarray, "l"]
    upper: Int[np.ndarray, "u"]
    jaw: Int[np.ndarray, ""]


def of_rig(model: FaceModel) -> Regions:
    """Of its skin: near the lips' landmarks; moved by shapes of brows, lids and cheeks; the chin's landmark."""
    template, landmarks = np.asarray(model.template), np.asarray(model.landmarks)
    skin = np.zeros(len(template), bool)
    skin[np.asarray(model.triangles)[np.asarray(model.region) == REGIONS.index("skin")].reshape(-1)] = True
    line = np.concatenate([_along(template[landmarks[list(ring)]]) for ring in _LIPS])
    close = [np.linalg.norm(line - vertex, axis=-1).min() < _NEAR for vertex in template[skin]]
    shapes = [k for k, name in enumerate(model.expression_names) if name.startswith(_UPPER)]
    moved = np.linalg.norm(np.asarray(model.expression)[shapes], axis=-1).max(0) > _MOVED
    lips = np.flatnonzero(skin)[np.array(close)]
    upper = np.setdiff1d(np.flatnonzero(skin & moved), lips)
    return Regions(lips, upper, np.asarray(landmarks[_CHIN]))


def of_motion(offsets: Float[np.ndarray, "n v 3"]) -> Regions:
    """Lips: the 3% of vertices that move most. Jaw: the one that rises and falls most."""
    amount = np.linalg.norm(offsets, axis=-1).mean(0)
    count = max(1, round(_SHARE * offsets.shape[1]))
    return Regions(np.sort(np.argsort(-amount)[:count]), np.zeros(0, int), np.asarray(offsets[..., 1].std(0).argmax()))


def _along(points: Float[np.ndarray, "p 3"], steps: int = 8) -> Float[np.ndarray, "q 3"]:
    """Places on the closed line through points."""
    share = np.arange(steps)[None, :, None] / steps
    return (points[:, None] * (1 - share) + np.roll(points, -1, axis=0)[:, None] * share).reshape(-1, 3)
