"""The built-in head's eyelids: rings of vertices around the +x eye from the orbit to behind the lids' edges.

Columns run from the inner corner along the upper lid to the outer corner and back along the lower lid. Millimetres.
"""

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline, PchipInterpolator

from jaxtalk.face import builtin_head

EYE = np.array([31.5, 23.5, 73.0])  # centre of the eyeball
RADIUS = 13.5  # a little over the anatomical 12, so that lids of a round ball reach the corners of the eye

STEPS = 14  # columns from corner to corner
COLUMNS = 2 * STEPS
OUTER_CORNER = STEPS
INNER, OUTER = np.array([17.0, 20.9]), np.array([45.5, 22.9])  # corners of the eye (x, y)

# The opening above and below the line between the corners, mm, at fractions from inner to outer corner.
STATIONS = np.array([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
ABOVE = np.array([0.0, 2.7, 5.2, 6.5, 5.0, 2.5, 0.0])
BELOW = np.array([0.0, -1.1, -2.6, -3.9, -3.7, -2.0, 0.0])

OUTSIDE = np.array([9.5, 7.0, 5.0, 3.4, 1.6])  # rings on the skin, mm outside the lids' edges
SETTLE = np.array([0.0, 0.12, 0.4, 0.75, 0.95])  # how far they follow the lids rather than the head's surface
CREASE = np.array([0.0, 0.3, -1.0, -0.2, 0.2])  # fold of the upper lid, mm outwards
EDGE = len(OUTSIDE)  # ring of the skin's edge, where the lashes grow
WET = EDGE + 1  # ring that touches the eyeball
LINING = EDGE + 2  # ring inside the eyeball that hides the gap


def fraction() -> Float[np.ndarray, "k"]:
    """Each column's place from the inner (0) to the outer corner (1)."""
    t = (1 - np.cos(np.pi * np.arange(STEPS + 1) / STEPS)) / 2
    return np.concatenate([t, t[-2:0:-1]])


def is_upper() -> Float[np.ndarray, "k"]:
    """1 in columns of the upper lid, 0 in the lower, 1/2 at the corners."""
    k = np.arange(COLUMNS)
    return np.where(k % STEPS == 0, 0.5, np.where(k < STEPS, 1.0, 0.0))


def on_ball(xy: Float[np.ndarray, "*n 2"], gap: float) -> Float[np.ndarray, "*n 3"]:
    """Points `gap` mm in front of the eyeball, or beside it on the lids' floor where the ball does not reach."""
    dx, dy = xy[..., 0] - EYE[0], xy[..., 1] - EYE[1]
    ball = np.sqrt(np.maximum((RADIUS + gap) ** 2 - dx**2 - dy**2, 0))
    floor = np.interp(dx, [-14.5, 14.0], [10.6, 4.4]) + gap  # inner corner lies forward, the outer one far back
    z = (ball**6 + floor**6) ** (1 / 6)
    return np.stack([xy[..., 0], xy[..., 1], EYE[2] + z], -1)


def opening() -> Float[np.ndarray, "k 2"]:
    """Outline (x, y) of the open lids."""
    return _outline(ABOVE, BELOW)


def _outline(above, below):
    t = fraction()
    line = INNER + t[:, None] * (OUTER - INNER)
    upper = CubicSpline(STATIONS, above)(t)
    lower = CubicSpline(STATIONS, below)(t)
    return line + np.stack([0 * t, np.where(np.arange(COLUMNS) < STEPS, upper, lower)], -1)


def rings() -> Float[np.ndarray, "r k 3"]:
    """Rings from the outermost, on the head's surface, to the lining behind the lids."""
    outline = opening()
    tangent = np.roll(outline, -1, 0) - np.roll(outline, 1, 0)
    out = np.stack([-tangent[:, 1], tangent[:, 0]], -1) / np.linalg.norm(tangent, axis=-1, keepdims=True)
    for _ in range(8):  # spread the sharp turn at the corners over the columns near them
        out = (np.roll(out, 1, 0) + 2 * out + np.roll(out, -1, 0)) / 4
    out = out / np.linalg.norm(out, axis=-1, keepdims=True)
    edge = on_ball(outline + 0.3 * out, 1.3)
    return np.concatenate(
        [_around(outline, out, edge), edge[None], on_ball(outline, 0.3)[None], _lining(outline, out)[None]]
    )


def _around(outline, out, edge):
    t = fraction()
    reach = PchipInterpolator([0, 0.2, 1], [0.62, 1, 1])(t)  # less room between the eye and the nose
    xy = outline + np.concatenate([[0], OUTSIDE])[:, None, None] * reach[:, None] * out
    skin = builtin_head.drop(xy[..., 0], xy[..., 1])
    arch = np.where(is_upper() == 1, np.sin(np.pi * t), 0)
    skin[1:, :, 2] += SETTLE[:, None] * (edge[:, 2] - skin[0, :, 2]) + CREASE[:, None] * arch
    return skin[1:]


def _lining(outline, out):
    d = np.concatenate([outline + 2.0 * out - EYE[:2], on_ball(outline, 0.0)[:, 2:] - EYE[2] - 2.0], -1)
    return EYE + (RADIUS - 0.8) * d / np.linalg.norm(d, axis=-1, keepdims=True)
