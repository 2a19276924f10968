"""The built-in head's lips and mouth cavity: rings of vertices from the skin around the mouth to the throat.

Each ring has HALF columns on the +x side, from the middle of the upper lip over the corner to the middle of the lower
lip; upper and lower lip have their own vertices, so the mouth opens along the slit between them. Millimetres.
"""

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline

from jaxtalk.face import builtin_head

STEPS = 12  # columns between the middle of a lip and the corner
HALF = 2 * STEPS + 1
CORNER = STEPS  # the corner's column

# Lip profiles: (y, z) at fractions of the half width from the middle to the corner, for five curves from the vermilion
# border over the fullest line and the edge of the red to the line where the lips touch and the wet side behind.
STATIONS = np.array([0.0, 0.25, 0.5, 0.75, 0.9, 1.0])
HALF_WIDTH = np.array([25.4, 24.9, 24.2, 23.2, 22.4])
UPPER = np.array(
    [
        [(-37.2, 110.2), (-35.9, 109.4), (-37.6, 106.9), (-41.2, 102.8), (-44.7, 98.4), (-47.3, 94.0)],
        [(-39.3, 110.7), (-38.2, 109.9), (-39.5, 107.4), (-42.3, 103.0), (-45.2, 98.2), (-47.3, 93.8)],
        [(-42.9, 109.2), (-42.2, 107.8), (-42.7, 105.6), (-44.3, 101.9), (-46.0, 97.2), (-47.2, 93.4)],
        [(-45.6, 104.4), (-45.4, 103.5), (-45.6, 101.4), (-46.4, 97.9), (-46.9, 94.7), (-47.1, 92.2)],
        [(-41.5, 100.6), (-41.3, 99.9), (-41.5, 98.0), (-43.0, 95.0), (-45.0, 91.8), (-46.9, 89.6)],
    ]
)
LOWER = np.array(
    [
        [(-56.0, 107.4), (-55.6, 106.9), (-54.7, 104.5), (-52.5, 100.7), (-50.1, 97.0), (-47.3, 94.0)],
        [(-53.0, 108.8), (-52.8, 108.0), (-51.9, 105.6), (-50.6, 101.2), (-49.2, 96.9), (-47.3, 93.8)],
        [(-49.0, 108.0), (-48.9, 107.1), (-48.6, 105.0), (-48.6, 100.9), (-48.3, 96.4), (-47.2, 93.4)],
        [(-45.6, 104.4), (-45.4, 103.5), (-45.6, 101.4), (-46.4, 97.9), (-46.9, 94.7), (-47.1, 92.2)],
        [(-50.0, 99.4), (-50.0, 98.8), (-49.8, 96.9), (-49.4, 93.6), (-48.4, 91.0), (-46.9, 89.6)],
    ]
)
PROFILE = np.array([0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4])  # rings of the lips, in units of the five curves
OUTSIDE = np.array([9.0, 6.0, 3.0])  # rings around the border, mm outside it
SETTLE = np.array([0.0, 0.25, 0.7])  # how far those rings follow the lips rather than the head's surface

BORDER = len(OUTSIDE)  # ring numbers
FULLEST = BORDER + 2
EDGE = BORDER + 4
CONTACT = BORDER + 6
WET = BORDER + 8

# The cavity behind: half width, height above and below the slit, and z in the middle; the rings bow back by `bow`.
CAVITY = np.array(
    [(26.5, 14.5, 15.0, 98.0, 16.0), (30.0, 19.0, 19.0, 92.0, 18.0), (31.0, 22.0, 20.0, 80.0, 10.0),
     (29.0, 22.0, 20.0, 64.0, 4.0), (22.0, 18.0, 20.0, 50.0, 2.0), (10.0, 8.0, 12.0, 42.0, 0.0)]
)  # fmt: skip
SLIT = -46.5  # y of the cavity's middle


def fraction() -> Float[np.ndarray, "k"]:
    """Each column's place from the middle of the lip (0) to the corner (1), denser towards the corner."""
    t = np.sin(np.pi / 2 * np.arange(STEPS + 1) / STEPS)
    return np.concatenate([t, t[-2::-1]])


def is_upper() -> Float[np.ndarray, "k"]:
    """1 in columns of the upper lip, 0 in the lower, 1/2 at the corner."""
    k = np.arange(HALF)
    return np.where(k < CORNER, 1.0, np.where(k > CORNER, 0.0, 0.5))


def rings() -> Float[np.ndarray, "r k 3"]:
    """Half rings from the outermost, on the head's surface, to the throat."""
    lips = _lips()
    return np.concatenate([_around(lips[0]), lips, _cavity()])


def _lips():
    t = fraction()[: STEPS + 1]
    curves = []
    for width, upper, lower in zip(HALF_WIDTH, UPPER, LOWER, strict=True):
        halves = []
        for table in (upper, lower):
            spline = CubicSpline(STATIONS, table, bc_type=((1, np.zeros(2)), (2, np.zeros(2))))
            halves.append(np.concatenate([width * t[:, None], spline(t)], -1))
        curves.append(np.concatenate([halves[0], halves[1][-2::-1]]))
    return CubicSpline(np.arange(len(curves)), np.stack(curves), bc_type="natural")(PROFILE)


def _around(border):
    """Rings on the skin, sliding from the head's surface onto the vermilion border."""
    tangent = np.gradient(border[:, :2], axis=0)
    tangent[[0, -1], 1] = 0  # the mirror image continues the curve
    out = np.stack([-tangent[:, 1], tangent[:, 0]], -1) / np.linalg.norm(tangent, axis=-1, keepdims=True)
    for _ in range(8):  # spread the sharp turn at the corner over the columns near it
        out[1:-1] = (out[:-2] + 2 * out[1:-1] + out[2:]) / 4
    out = out / np.linalg.norm(out, axis=-1, keepdims=True)
    xy = border[:, :2] + np.concatenate([[0], OUTSIDE])[:, None, None] * out
    skin = builtin_head.drop(xy[..., 0], xy[..., 1])
    skin[1:, :, 2] += SETTLE[:, None] * (border[:, 2] - skin[0, :, 2])
    return skin[1:]


def _cavity():
    angle = np.pi / 2 * np.arange(HALF) / STEPS  # 0 up, pi/2 at the corner, pi down
    result = []
    for width, up, down, z, bow in CAVITY:
        height = np.where(np.cos(angle) > 0, up, down) * np.cos(angle)
        x = width * np.sin(angle)
        result.append(np.stack([x, SLIT + height, z - bow * (x / width) ** 2], -1))
    result[-1][[0, -1], 0] = 0
    for ring in result:
        ring[[0, -1], 0] = 0
    return np.stack(result)
