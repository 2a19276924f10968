"""The built-in head's +x eyeball: rings of vertices from the pupil to the back, with the iris in the texture. mm."""

import numpy as np

from jaxtalk.face import builtin_lids, builtin_mesh

COLUMNS = 20
IRIS = np.radians(26.0)  # half angle of the limbus: 5.9 mm, as in adults
RINGS = np.radians([8, 14, 20, 26, 34, 45, 60, 80, 110, 150])
UV_CENTRE, UV_RADIUS = np.array([0.912, 0.085]), 0.08  # a disc in a corner of the texture


def half() -> builtin_mesh.Part:
    """The +x eyeball, with the grid "eyeball" (rings x columns) and "pupil" (the front vertex)."""
    turn = -2 * np.pi * np.arange(COLUMNS) / COLUMNS
    ring = np.stack([np.sin(-turn), np.cos(turn)], -1)
    points = [np.array([[0, 0, 1.0], [0, 0, -1.0]])]
    for angle in RINGS:
        points.append(np.concatenate([np.sin(angle) * ring, np.full((COLUMNS, 1), np.cos(angle))], -1))
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
    angle = np.arccos(np.clip(sphere[:, 2:], -1, 1))
    across = sphere[:, :2] / np.maximum(np.linalg.norm(sphere[:, :2], axis=-1, keepdims=True), 1e-9)
    uv = UV_CENTRE + UV_RADIUS * reach(angle) * across
    return builtin_mesh.Part(
        builtin_lids.EYE + builtin_lids.RADIUS * sphere,
        triangles,
        uv,
        triangles,
        builtin_mesh.region("eye", len(triangles)),
        {"eyeball": grid, "pupil": np.array([0]), "eyeback": np.array([1])},
    )


def reach(angle):
    """Distance from the middle of the texture's disc (0 to 1) of a point at `angle` from the pupil."""
    return np.sin(np.minimum(angle, np.pi) / 2)
