"""The built-in head's +x eyeball: rings of vertices from the pupil to the back, with the iris in the texture. mm."""

import numpy as np

from jaxtalk.face import builtin_lids, builtin_mesh

COLUMNS = 20
IRIS = np.radians(26.0)  # half angle of the limbus: 5.9 mm, as in adults
RINGS = np.radians([8, 14, 20, 26, 34, 45, 60, 80, 110, 150])
UV_CENTRE, UV_RADIUS = np.array([0.912, 0.085]), 0.08  # a disc in a corner of the texture
TAU = 0.7  # radians; how quickly its radius grows in front


def half() -> builtin_mesh.Part:
    """The +x eyeball, with the grid "eyeball" (rings x columns) and "pupil" (the front vertex)."""
    turn = -2 * np.pi * np.arange(COLUMNS) / COLUMNS
    ring = np.stack([np.sin(-turn), np.cos(turn)], -1)
    points = [np.array([[0, 0, 1.0], [0, 0, -1.0]])]
    for tilt in RINGS:
        points.append(np.concatenate([np.sin(tilt) * ring, np.full((COLUMNS, 1), np.cos(tilt))], -1))
    sphere = np.concatenate(points)
    grid = 2 + np.arange(len(RINGS) * COLUMNS).reshape(len(RINGS), COLUMNS)
    inwards = grid[::-1]
    triangles = np.concatenate(
        [
            builtin_mesh.strips(inwards, closed=True),
            builtin_mesh.fan(inwards[-1], 0, closed=True),
            builtin_mesh.fan(grid[-1][::-1], 1, closed=True),
        ]
    )
    tilt = np.arccos(np.clip(sphere[:, 2:], -1, 1))
    across = sphere[:, :2] / np.maximum(np.linalg.norm(sphere[:, :2], axis=-1, keepdims=True), 1e-9)
    # the vertex at the back lies on the whole rim of the disc: each triangle there gets its own copy
    middle = across[grid[-1]] + across[np.roll(grid[-1], -1)]
    rim = middle / np.linalg.norm(middle, axis=-1, keepdims=True)
    uv = UV_CENTRE + UV_RADIUS * np.concatenate([reach(tilt) * across, rim])
    uv_triangles = triangles.copy()
    first = grid[-1][0]
    for row in uv_triangles[-COLUMNS:]:
        a, c = sorted(v - first for v in row if v != 1)
        row[row == 1] = len(sphere) + (a if c - a == 1 else c)
    return builtin_mesh.Part(
        builtin_lids.EYE + builtin_lids.RADIUS * sphere,
        triangles,
        uv,
        uv_triangles,
        builtin_mesh.region("eye", len(triangles)),
        {"eyeball": grid, "pupil": np.array([0]), "eyeback": np.array([1])},
    )


def reach(angle):
    """Distance from the middle of the texture's disc (0 to 1) of a point at `angle` from the pupil.

    The iris gets the inner half of the disc.
    """
    return (1 - np.exp(-angle / TAU)) / (1 - np.exp(-np.pi / TAU))


def angle(distance):
    """The inverse of `reach`."""
    return -TAU * np.log(1 - distance * (1 - np.exp(-np.pi / TAU)))
