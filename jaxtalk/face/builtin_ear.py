"""The built-in head's +x ear: rings of vertices from where it grows on the skull over the helix into the concha. mm."""

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline

from jaxtalk.face import builtin_head

COLUMNS = 24
ORIGIN = np.array([79.0, -2.0, -4.0])  # the ear canal's place in the ear's plane
FLARE, TILT = np.radians(30.0), np.radians(12.0)

# Outline: distance from ORIGIN at angles from straight up, turning backwards.
ANGLES = np.array([0, 45, 90, 135, 180, 225, 270, 315, 360.0])
OUTLINE = np.array([31, 28.5, 23, 22.5, 29, 20, 9, 18.5, 31.0])
# Rings inside the root. Where the ear is free: (fraction of the outline, height over the ear's plane in mm); where it
# grows on the cheek: height alone, from the cheek over the tragus into the concha.
FREE = np.array(
    [(0.80, -0.5), (0.96, -0.5), (1.0, -0.5), (0.96, 2.2), (0.88, 1.6), (0.77, -0.3), (0.63, 1.6), (0.48, -1.0),
     (0.30, -4.0), (0.13, -5.5)]
)  # fmt: skip
ATTACHED = np.array([0, 0, 0.2, 1.0, 1.8, 1.8, 0.6, -1.0, -3.5, -5.5])
GROWN = ((0, 200, 240, 300, 345, 360), (0, 0, 1, 1, 0, 0))  # how far the ear is attached, by angle
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
    local = (root - ORIGIN) @ axes().T  # up, back, outwards
    grown = np.interp(np.degrees(angle), *GROWN)
    grown = grown**2 * (3 - 2 * grown)
    lobe = np.clip(-np.cos(angle), 0, 1) ** 6
    result = [root]
    count = len(FREE)
    for rank, ((scale, height), low) in enumerate(zip(FREE, ATTACHED, strict=True), 1):
        # behind, the ear stands off the skull at once; above its front it leaves the temple slowly
        stay = np.where(
            local[:, 2] < 0, np.interp(rank, [0, 1, 2, 3], [1, 0.65, 0.3, 0]), np.interp(rank, [0, 9], [1, 0])
        )
        high = height * (1 - 0.8 * lobe) + stay * local[:, 2]
        free = np.stack([outline * scale * np.cos(angle), outline * scale * np.sin(angle), high], -1)
        near = local * (1 - 0.87 * rank / count)
        near[:, 2] = low + (local[:, 2] - low) * max(0, 1 - rank / 3)
        result.append(ORIGIN + (grown[:, None] * near + (1 - grown[:, None]) * free) @ axes())
    return np.stack(result)
