"""How the built-in head's lips move and draw the skin around with them. Millimetres."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline

from jaxtalk.face import builtin_lips, builtin_mesh
from jaxtalk.face.model import REGIONS

FULL = 4 * builtin_lips.STEPS  # columns of the whole ring
_FACING = (2 * builtin_lips.STEPS - np.arange(FULL)) % FULL  # each column's place on the other lip
REACH = 17.0  # how far the skin around follows


class Lips(NamedTuple):
    """Displacements at five places of the left half, from the upper lip's middle over the corner to the lower's."""

    border: Sequence[tuple[float, float, float]]
    contact: Sequence[tuple[float, float, float]] | None = None  # the line of touch; None: as the border
    other: Sequence[tuple[float, float, float]] | None = None  # upper side, corner, lower side of the right half
    sealed: bool = False  # the line of touch moves as the mean of both lips, so that it stays closed


class Mouth:
    """Weights that spread displacements of the lips over a mesh."""

    def __init__(self, mesh: builtin_mesh.Part):
        left, right = mesh.grids["mouth"], mesh.grids["mouth_r"]
        self.rings = np.concatenate([left, right[:, -2:0:-1]], 1)  # whole rings, from the upper middle to +x and round
        self.points = mesh.points
        self.border = self.rings[builtin_lips.BORDER]
        skin = np.isin(mesh.region, [REGIONS.index("skin"), REGIONS.index("hair")])
        self.loose_skin = np.zeros(len(mesh.points), bool)
        self.loose_skin[np.unique(mesh.triangles[skin])] = True
        self.in_rings = np.zeros(len(mesh.points), bool)
        self.in_rings[self.rings[builtin_lips.BORDER :]] = True
        away = np.linalg.norm(mesh.points[:, None] - mesh.points[self.border][None], axis=-1)
        self.distance = away.min(1)
        width = 1.2 + 0.45 * self.distance[:, None]
        spread = np.exp(-0.5 * ((away - self.distance[:, None]) * (away + self.distance[:, None])) / width**2)
        self.spread = spread / spread.sum(1, keepdims=True)
        self.follow = np.exp(-((self.distance / REACH) ** 2)) * self.loose_skin * (1 - 0.75 * _nose(mesh.points))

    def move(self, lips: Lips, *, one_sided: bool) -> Float[np.ndarray, "v 3"]:
        """Displacement of every vertex."""
        border = _round(lips.border, lips.other, one_sided)
        contact = border if lips.contact is None else _round(lips.contact, lips.other, one_sided)
        if lips.sealed:
            contact = (contact + contact[_FACING]) / 2
        return self._apply(border, contact)

    def close(self, opened: Float[np.ndarray, "v 3"]) -> Float[np.ndarray, "v 3"]:
        """What brings the lips together again, column by column, when the jaw is open by the displacements `opened`."""
        touch = opened[self.rings[builtin_lips.CONTACT]]
        facing = touch[_FACING]
        upper = _whole(builtin_lips.is_upper())
        share = np.where(upper == 1, 0.15, np.where(upper == 0, 0.85, 0.0))[:, None]
        return self._apply(share * (facing - touch), share * (facing - touch))

    def _apply(self, border, contact):
        shape = self.follow[:, None] * (self.spread @ border)
        first, touch, last = builtin_lips.BORDER, builtin_lips.CONTACT, builtin_lips.WET
        for ring, vertices in enumerate(self.rings):
            inside = (ring - first) / (touch - first)
            if first <= ring <= last:
                mix = min(max(inside, 0), 1)
                shape[vertices] = (1 - mix) * border + mix * contact
            elif ring > last:
                shape[vertices] = contact * max(0, 1 - 0.4 * (ring - last))
        return shape


def _nose(points):
    """1 on the nose, which the lips hardly move."""
    x, y, z = points.T
    ramp = np.clip((y + 36) / 14, 0, 1) * np.clip((26 - np.abs(x)) / 12, 0, 1) * np.clip((z - 80) / 10, 0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def _whole(half):
    return np.concatenate([half, half[-2:0:-1]])


def _round(keys, other, one_sided):
    """A smooth closed curve of displacements, one per column, through the keys."""
    keys = np.array(keys, float)
    flip = np.array([-1.0, 1, 1])
    if other is not None:
        right = np.array(other, float)
    elif one_sided:
        right = np.stack([0.2 * keys[0], 0 * keys[0], 0.2 * keys[4]])
    else:
        right = keys[1:4] * flip
    ring = np.concatenate([keys, right[::-1], keys[:1]])
    return CubicSpline(np.linspace(0, FULL, 9), ring, bc_type="periodic")(np.arange(FULL))
