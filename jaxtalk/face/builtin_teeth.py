"""The built-in head's teeth and gums: two arches of separate teeth, central incisor to second molar, +x half. mm.

Widths and heights of the crowns are adult averages (Wheeler's Dental Anatomy, rounded).
"""

import numpy as np

from jaxtalk.face import builtin_mesh

COLUMNS, LEVELS = 10, np.array([0.0, 0.35, 0.75, 0.97])
# Per tooth from the middle: width along the arch, height of the crown, depth at the root, depth at the biting edge.
UPPER = np.array(
    [(8.6, 10.4, 6.8, 2.2), (6.7, 9.2, 6.0, 2.0), (7.6, 10.2, 7.6, 3.2), (7.0, 8.6, 8.6, 6.6), (6.8, 8.0, 8.6, 6.8),
     (10.0, 7.6, 10.5, 8.8), (9.4, 7.2, 10.5, 8.6)]
)  # fmt: skip
LOWER = np.array(
    [(5.3, 9.0, 5.8, 1.8), (5.8, 9.2, 6.0, 1.8), (6.9, 10.4, 7.2, 3.0), (7.0, 8.6, 7.6, 5.8), (7.1, 8.2, 8.0, 6.2),
     (11.0, 7.6, 10.0, 8.4), (10.4, 7.2, 9.8, 8.2)]
)  # fmt: skip
# Biting edges' y, tooth by tooth; the upper front teeth overlap the lower ones by two millimetres.
UPPER_EDGE = np.array([-48.4, -47.9, -48.4, -47.6, -47.2, -47.0, -46.8])
LOWER_EDGE = np.array([-46.4, -46.5, -46.3, -47.0, -47.4, -47.4, -47.2])
UPPER_ARCH = (98.6, 31.0)  # outer face z = first - x^2 / second
LOWER_ARCH = (95.6, 30.0)
UV_TEETH = {"upper": (0.09, 0.142), "lower": (0.036, 0.088)}  # v of root and edge; u spans the arch
UV_GUMS = {"upper": (0.018, 0.032), "lower": (0.002, 0.016)}
UV_SPAN = 0.31  # u from the middle of the texture to the last molar


def half() -> builtin_mesh.Part:
    """Grids "teeth_upper" and "teeth_lower" (tooth x vertex), "gum_upper" and "gum_lower" (station x profile)."""
    upper = _arch("upper", UPPER, UPPER_EDGE, UPPER_ARCH, 1.0)
    lower = _arch("lower", LOWER, LOWER_EDGE, LOWER_ARCH, -1.0)
    return builtin_mesh.join(upper + lower)


def _arch(name, table, edges, arch, up):
    ends = np.concatenate([[0], np.cumsum(table[:, 0])])
    teeth = [
        _tooth(name, (ends[k] + ends[k + 1]) / 2, row, edges[k], arch, up, ends[-1]) for k, row in enumerate(table)
    ]
    points = np.arange(len(teeth[0].points))
    teeth = builtin_mesh.join([builtin_mesh.Part(**{**vars(t), "grids": {}}) for t in teeth])
    grid = np.arange(len(teeth.points)).reshape(-1, len(points))
    teeth = builtin_mesh.Part(**{**vars(teeth), "grids": {f"teeth_{name}": grid}})
    return [teeth, _gum(name, table, ends, edges, arch, up)]


def along(s, arch):
    """Point (x, z) on the arch's outer face at arc length s, and the unit tangent and outward normal there."""
    front, curve = arch
    x = np.linspace(0, 40, 400)
    length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x), np.diff(x**2 / curve)))])
    x = np.interp(s, length, x)
    slope = -2 * x / curve
    tangent = np.stack([np.ones_like(x), slope], -1) / np.sqrt(1 + slope**2)[..., None]
    return np.stack([x, front - x**2 / curve], -1), tangent, np.stack([-tangent[..., 1], tangent[..., 0]], -1)


def _tooth(name, middle, row, edge, arch, up, total):
    """A crown: rounded boxes from under the gum to the biting edge, and one vertex on top."""
    width, height, deep, thin = row
    place, tangent, outward = along(np.array(middle), arch)
    turn = 2 * np.pi * (np.arange(COLUMNS) + 0.5) / COLUMNS
    box = np.stack([np.cos(turn), np.sin(turn)], -1)
    box = np.sign(box) * np.abs(box) ** 0.55
    points = []
    for level in LEVELS:
        w = width / 2 * np.interp(level, [0, 0.35, 0.75, 0.97], [0.74, 0.92, 0.985, 0.93])
        d = np.interp(level, [0, 0.35, 1], [deep, deep * 0.95, thin])
        # the face bulges a little and leans in towards root and edge
        face = np.interp(level, [0, 0.35, 0.75, 1], [-0.7, 0.1, 0.0, -0.35])
        xz = place + box[:, :1] * w * tangent + (face - d / 2 + box[:, 1:] * d / 2) * outward
        y = edge + up * height * (1.06 - level) - up * 0.06 * height
        points.append(np.stack([xz[:, 0], np.full(COLUMNS, y), xz[:, 1]], -1))
    top = points[-1].mean(0) - [0, up * 0.03 * height, 0]
    points = np.concatenate([*points, top[None]])
    points[:, 0] = np.maximum(points[:, 0], 0.06)  # the central incisors do not touch across the middle
    grid = np.arange(len(LEVELS) * COLUMNS).reshape(len(LEVELS), COLUMNS)
    triangles = np.concatenate(
        [builtin_mesh.strips(grid, closed=True), builtin_mesh.fan(grid[-1], len(points) - 1, closed=True)]
    )
    if up > 0:
        triangles = triangles[:, ::-1]
    low, high = UV_TEETH[name]
    u = 0.5 + UV_SPAN * (middle + 0.47 * width * box[:, 0]) / total
    uv = [np.stack([u, np.full(COLUMNS, low + (high - low) * level)], -1) for level in LEVELS]
    uv = np.concatenate([*uv, [[0.5 + UV_SPAN * middle / total, high]]])
    return builtin_mesh.Part(points, triangles, uv, triangles, builtin_mesh.region(f"teeth_{name}", len(triangles)), {})


def _gum(name, table, ends, edges, arch, up):
    """A band round the roots, with a papilla between every two teeth."""
    s = np.sort(np.concatenate([ends, (ends[1:] + ends[:-1]) / 2]))
    middle = np.arange(len(s)) % 2 == 1
    place, _, outward = along(s, arch)
    height = np.interp(s, (ends[1:] + ends[:-1]) / 2, table[:, 1])
    root = np.interp(s, (ends[1:] + ends[:-1]) / 2, edges) + up * height
    margin = root - up * np.where(middle, 0.4, 2.6)
    depth = np.interp(s, (ends[1:] + ends[:-1]) / 2, table[:, 2])
    profile = [  # (outwards from the arch's face, y)
        (0 * s - 1.5, root + up * 8.0), (0 * s - 0.4, root + up * 2.0), (0 * s - 0.7 - 0.3 * ~middle, margin),
        (-depth / 2, margin), (-depth + 0.3, margin), (-depth - 1.5, root + up * 4.0), (-depth, root + up * 8.0),
    ]  # fmt: skip
    points = np.stack([_row(place + out[:, None] * outward, y) for out, y in profile], 1)
    points[0, :, 0] = 0
    grid = np.arange(points[..., 0].size).reshape(points.shape[:2])
    triangles = builtin_mesh.strips(grid, closed=False)
    if up > 0:
        triangles = triangles[:, ::-1]
    low, high = UV_GUMS[name]
    u, v = np.meshgrid(0.5 + UV_SPAN * s / s[-1], np.linspace(low, high, len(profile)), indexing="ij")
    return builtin_mesh.Part(
        points.reshape(-1, 3), triangles, np.stack([u.ravel(), v.ravel()], -1), triangles,
        builtin_mesh.region("mouth", len(triangles)), {f"gum_{name}": grid},
    )  # fmt: skip


def _row(xz, y):
    return np.stack([np.maximum(xz[:, 0], 0), y, xz[:, 1]], -1)
