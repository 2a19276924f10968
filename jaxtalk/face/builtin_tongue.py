"""The built-in head's tongue: half rings from the root to the tip, +x half. Millimetres."""

import numpy as np
from scipy.interpolate import CubicSpline

from jaxtalk.face import builtin_mesh

COLUMNS = 9  # from the middle of the back round the side to the middle underneath
# Sections from the root to the tip: z, half width, y of the back, y of the underside.
SECTIONS = np.array(
    [(46, 19, -54, -70), (56, 21, -46, -66), (66, 22, -43.5, -62), (75, 21, -44, -59), (82, 18, -45.8, -57),
     (87, 13.5, -47.6, -55.5), (90, 7.5, -49.2, -54.2)]
)  # fmt: skip
TIP = np.array([0.0, -51.6, 91.6])
RINGS = 10
UV_CENTRE, UV_RADIUS = np.array([0.912, 0.925]), 0.06


def half() -> builtin_mesh.Part:
    """Grid "tongue" (rings x columns) and "tongue_tip"."""
    z, width, top, bottom = CubicSpline(np.arange(len(SECTIONS)), SECTIONS)(np.linspace(0, 6, RINGS)).T[..., None]
    turn = np.pi * np.arange(COLUMNS) / (COLUMNS - 1)
    side, rise = np.sin(turn) ** 0.8, np.cos(turn)
    groove = 1.2 * np.exp(-((width * side / 4) ** 2)) * (rise > 0)  # a shallow furrow along the middle
    y = (top + bottom) / 2 + (top - bottom) / 2 * rise - groove
    points = np.stack([width * side, y, np.broadcast_to(z, y.shape)], -1)
    points[:, [0, -1], 0] = 0
    grid = np.arange(RINGS * COLUMNS).reshape(RINGS, COLUMNS)
    triangles = np.concatenate(
        [builtin_mesh.strips(grid, closed=False), builtin_mesh.fan(grid[-1], RINGS * COLUMNS, closed=False)]
    )
    reach = np.linspace(1, 0.15, RINGS)[:, None, None]
    uv = UV_CENTRE + UV_RADIUS * reach * np.stack([-np.sin(turn), np.cos(turn)], -1)
    return builtin_mesh.Part(
        np.concatenate([points.reshape(-1, 3), TIP[None]]),
        triangles,
        np.concatenate([uv.reshape(-1, 2), UV_CENTRE[None]]),
        triangles,
        builtin_mesh.region("tongue", len(triangles)),
        {"tongue": grid, "tongue_tip": np.array([RINGS * COLUMNS])},
    )
