"""The built-in head's +x ear: rings of vertices from where it grows on the skull over the helix into the concha. mm."""

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline

from jaxtalk.face import builtin_head

COLUMNS = 24
ORIGIN = np.array([75.0, -2.0, -4.0])  # the ear canal's place in the ear's plane
FLARE, TILT = np.radians(30.0), np.radians(12.0)

# Outline: distance from ORIGIN at angles from straight up, turning backwards.
ANGLES = np.array([0, 45, 90, 135, 180, 225, 270, 315, 360.0])
OUTLINE = np.array([31, 28.5, 23, 22.5, 29, 20, 9, 18.5, 31.0])
# Rings inside the root: (fraction of the outline, height over the ear's plane in mm).
RINGS = np.array(
    [(0.80, -7.0), (0.96, -3.5), (1.0, 0.0), (0.95, 2.2), (0.86, 1.2), (0.76, -1.2), (0.62, 1.4), (0.46, -1.5),
     (0.30, -7.0), (0.13, -9.0)]
)  # fmt: skip
ROOT = (94.0, -3.0, 8.5, 19.0)  # longitude, latitude, and half axes in degrees of the root on the skull


def axes() -> Float[np.ndarray, "3 3"]:
    """The ear's plane as rows: up, back, and outwards from the plane."""
    up = np.array([0.0, np.cos(TILT), -np.sin(TILT)])
    flat_back = np.array([0.0, -np.sin(TILT), -np.cos(TILT)])
    back = np.cos(FLARE) * flat_back + np.sin(FLARE) * np.array([1.0, 0, 0])
    return np.stack([up, back, np.cross(back, up)])


def rings() -> Float[np.ndarray, "r k 3"]:
    """Rings from the root on the skull's surface to the ear canal."""
    angle = 2 * np.pi * np.arange(COLUMNS) / COLUMNS
    lon, lat, across, along = ROOT
    root = builtin_head.surface(
        builtin_head.directions(
            lon + across * np.sin(angle), lat + along * np.cos(angle) - 0.25 * across * np.sin(angle)
        )
    )
    outline = CubicSpline(np.radians(ANGLES), OUTLINE, bc_type="periodic")(angle)
    up, back, out = axes()
    front = np.clip(-np.sin(angle), 0, 1) ** 1.5  # 1 where the ear meets the cheek
    lobe = np.clip(-np.cos(angle), 0, 1) ** 6
    result = [root]
    for scale, height in RINGS:
        r = outline * scale
        # in front there is no free rim: the outer rings climb from the cheek to the tragus
        h = height * (1 - 0.8 * lobe) * (1 - front) + front * np.interp(
            scale, [0.13, 0.3, 0.5, 0.75, 1], [-9, -7, 1, 1.5, 0]
        )
        plane = ORIGIN + (r * np.cos(angle))[:, None] * up + (r * np.sin(angle))[:, None] * back + h[:, None] * out
        rank = len(result)
        keep = front * np.interp(rank, [0, 6], [1, 0])  # the cheek's side stays on the root longer
        result.append(keep[:, None] * (root + (plane - root) * rank / 8) + (1 - keep[:, None]) * plane)
    return np.stack(result)
