"""How the built-in head's jaw carries teeth, tongue, lip, chin and cheeks. Millimetres."""

import numpy as np

from jaxtalk.face import builtin_lips, builtin_mesh
from jaxtalk.face.model import REGIONS

HINGE = np.array([0.0, 5.0, 12.0])  # the condyles' axis, just in front of the ear canal
ANGLE, SLIDE = np.radians(21.0), np.array([0.0, -2.0, 4.0])  # wide open: turned down and slid forwards

# Upper limit of what moves, from the condyle to the corner of the mouth, and how soft it is there.
LINE_Z, LINE_Y, LINE_SOFT = (10, 60, 94), (-2, -26, -47), (22, 19, 9)


class Jaw:
    """Weights of the jaw over a mesh."""

    def __init__(self, mesh: builtin_mesh.Part):
        self.points = mesh.points
        self.weight = _field(mesh.points)
        fixed = ("teeth_upper", "eye")
        for name in (*fixed, "teeth_lower", "tongue"):
            vertices = np.unique(mesh.triangles[mesh.region == REGIONS.index(name)])
            self.weight[vertices] = 0.0 if name in fixed else 1.0
        tongue = np.concatenate([mesh.grids["tongue"].ravel(), mesh.grids["tongue_r"].ravel()])
        self.weight[tongue] = np.clip(0.55 + (mesh.points[tongue, 2] - 46) / 60, 0, 1)
        for side in ("", "_r"):
            self.weight[mesh.grids["gum_upper" + side]] = 0
            self.weight[mesh.grids["gum_lower" + side]] = 1
            self.weight[mesh.grids["lids" + side]] = 0
            rings = mesh.grids["mouth" + side]
            self.weight[rings] = _mouth_weight(len(rings))
        self.weight[mesh.grids["throat"]] = 0.3

    def shift(self, mouth, vector):
        """The jaw pushed as a whole."""
        return self._soft(mouth)[:, None] * np.array(vector)

    def open(self, mouth):
        """The jaw turned about the hinge; corners of the mouth are drawn in a little."""
        offset = self.points - HINGE
        c, s = np.cos(ANGLE), np.sin(ANGLE)
        turned = np.stack([offset[:, 0], c * offset[:, 1] - s * offset[:, 2], s * offset[:, 1] + c * offset[:, 2]], -1)
        shape = self._soft(mouth)[:, None] * (turned - offset + SLIDE)
        corner = np.exp(-(((self.points - [26, -47, 92]) / 16) ** 2).sum(-1))
        corner -= np.exp(-(((self.points - [-26, -47, 92]) / 16) ** 2).sum(-1))
        shape[:, 0] -= 3.5 * corner * mouth.loose_skin
        return shape

    def _soft(self, mouth):
        """Weights that run smoothly from the lips' own into those of the skin around."""
        near = np.exp(-((mouth.distance / 13) ** 2)) * mouth.loose_skin * ~mouth.in_rings
        return (1 - near) * self.weight + near * (mouth.spread @ self.weight[mouth.border])


def _smooth(t):
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def _field(points):
    """Of skin alone: everything below the line from condyle to mouth corner, fading towards ear and neck."""
    _, y, z = points.T
    line, soft = np.interp(z, LINE_Z, LINE_Y), np.interp(z, LINE_Z, LINE_SOFT)
    below = _smooth((line + soft - y) / (2 * soft))
    front = np.interp(z, [8, 30, 60, 92], [0, 0.12, 0.6, 1])
    throat = _smooth((y + 128) / 34)
    return below * front * throat


def _mouth_weight(count):
    """Per ring and column: the lower lip follows, the corner by 0.4, the upper lip hardly; all fade in the throat."""
    t = builtin_lips.fraction()
    corner = 0.4
    lips = np.where(
        np.arange(builtin_lips.HALF) < builtin_lips.CORNER, 0.05 + (corner - 0.05) * t**3, 1 - (1 - corner) * t**3
    )
    weight = np.tile(lips, (count, 1))
    depth = np.clip((np.arange(count) - (count - 4)) / 3, 0, 1)[:, None]  # the last rings
    return (1 - depth) * weight + depth * (0.3 + 0.3 * (weight - 0.5))
