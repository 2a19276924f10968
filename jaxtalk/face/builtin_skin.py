"""The built-in head's skin: the structured rings of mouth, lids, ear and neck, and Delaunay triangles between. mm."""

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import ConvexHull, cKDTree

from jaxtalk.face import (
    builtin_ear,
    builtin_head,
    builtin_landmarks,
    builtin_lids,
    builtin_lips,
    builtin_mesh,
    builtin_neck,
    builtin_nostril,
)

# The head's place in the texture: a disc whose radius grows quickly in front, so that the face gets most pixels.
UV_CENTRE, UV_RADIUS, UV_TAU = np.array([0.5, 0.575]), 0.42, 0.95
CAVITY_CENTRE, CAVITY_RADIUS = np.array([0.925, 0.925]), 0.065  # the cavity's half disc, in a corner

# Distance between vertices (mm) against the angle from the middle of the face, and on the nose.
SPACING = ((0, 25, 50, 75, 100, 140, 180), (3.6, 4.6, 6.0, 8.5, 11.0, 13.0, 14.0))
NOSE = (0.0, -8.0, 12.0, 15.0, 2.2)  # longitude, latitude, half axes in degrees, spacing
MIDDLE = (0.0, -10.0)


def half() -> builtin_mesh.Part:
    """The +x half of the skin and mouth cavity: grids "mouth", "lids", "ear", "nostril", "neck" and "places"."""
    patches = {
        "mouth": builtin_lips.rings(),
        "lids": builtin_lids.rings(),
        "ear": builtin_ear.rings(),
        "nostril": builtin_nostril.rings(),
        "neck": builtin_neck.rings(),
    }
    points, grids = [], {}
    for name, rings in patches.items():
        grids[name] = np.arange(rings[..., 0].size).reshape(rings.shape[:2]) + sum(map(len, points))
        points.append(rings.reshape(-1, 3))
    places = _unit(np.array(list(builtin_landmarks.PLACES.values()), float))
    loose = np.concatenate([places, _loose(patches, places)])
    first = sum(map(len, points))
    rims = np.concatenate([grid[0] for grid in grids.values()])
    ends = np.array(
        [patches["mouth"][-1].mean(0) * [0, 1, 1], patches["ear"][-1].mean(0), patches["nostril"][-1].mean(0)]
    )
    points = np.concatenate([*points, builtin_head.surface(loose), ends])
    grids["loose"] = first + np.arange(len(loose))
    grids["places"] = grids["loose"][: len(places)]
    throat, canal, nostril = range(len(points) - 3, len(points))

    skin = _between(points, np.concatenate([rims, grids["loose"]]), [grids[name][0] for name in patches])
    outer = np.concatenate(
        [
            skin,
            builtin_mesh.strips(grids["mouth"][: builtin_lips.CONTACT + 1], closed=False),
            builtin_mesh.strips(grids["lids"], closed=True),
            builtin_mesh.strips(grids["ear"][:, ::-1], closed=True)[:, ::-1],
            builtin_mesh.fan(grids["ear"][-1], canal, closed=True),
            builtin_mesh.strips(grids["nostril"], closed=True),
            builtin_mesh.fan(grids["nostril"][-1], nostril, closed=True),
            builtin_mesh.strips(grids["neck"], closed=False),
        ]
    )
    deep = grids["mouth"][builtin_lips.CONTACT :]
    inner = np.concatenate([builtin_mesh.strips(deep, closed=False), builtin_mesh.fan(deep[-1], throat, closed=False)])
    uv, uv_outer, uv_inner = _uv(points, grids, outer, inner, throat, canal, nostril)
    uv, uv_outer = _mend_back(uv, uv_outer)
    scalp = _is_hair(points)
    scalp[grids["ear"][1:]] = False
    hair = scalp[outer].all(-1)
    regions = np.where(hair, builtin_mesh.region("hair", 1), builtin_mesh.region("skin", 1))
    return builtin_mesh.Part(
        points,
        np.concatenate([outer, inner]),
        uv,
        np.concatenate([uv_outer, uv_inner]),
        np.concatenate([regions, builtin_mesh.region("mouth", len(inner))]),
        grids | {"throat": np.array([throat]), "ends": np.array([canal, nostril])},
    )


def spacing(d: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n"]:
    """Wanted distance between vertices in mm at unit directions d."""
    angle = np.degrees(np.arccos(np.clip(d @ builtin_head.directions(*map(np.array, MIDDLE)), -1, 1)))
    wide = np.interp(angle, *SPACING)
    lon, lat, across, along, fine = NOSE
    q = np.degrees(np.arcsin(np.clip(d[:, 0], -1, 1))), np.degrees(np.arcsin(np.clip(d[:, 1], -1, 1)))
    inside = np.hypot((q[0] - lon) / across, (q[1] - lat) / along)
    near = np.where(d[:, 2] > 0, np.clip(1.8 - inside, 0, 0.8) / 0.8, 0)
    return wide + (fine - wide) * near


def _loose(patches, places) -> Float[np.ndarray, "n 3"]:
    """Unit directions of the vertices between the patches, evenly spread, those on the midline first."""
    line = _midline(patches["mouth"][0], patches["neck"][0], places[places[:, 0] == 0])
    rims = [builtin_head.to_plane(rings[0]) for rings in patches.values()]
    fixed = np.concatenate([_unit(rings[0]) for rings in patches.values()] + [line, places])
    chosen = np.zeros((0, 3))
    for gap in 2.2 * 1.25 ** np.arange(9):
        d = _fibonacci(gap / 92)
        d = d[(d[:, 0] > 0.4 * gap / 92) & (np.abs(np.log(spacing(d) / gap)) < np.log(1.25) / 2)]
        for rim in rims:
            d = d[~_inside(builtin_head.to_plane(builtin_head.CENTRE + d), rim)]
        near, _ = cKDTree(np.concatenate([fixed, chosen])).query(d)
        chosen = np.concatenate([chosen, d[near > 0.75 * gap / 92]])
    return np.concatenate([line, _relax(chosen, fixed)])


def _relax(d, fixed, rounds=8):
    for _ in range(rounds):
        everything = np.concatenate([d, fixed])
        t = ConvexHull(everything).simplices
        edges = np.concatenate([t[:, [0, 1]], t[:, [1, 2]], t[:, [2, 0]]])
        edges = np.concatenate([edges, edges[:, ::-1]])
        total, count = np.zeros_like(everything), np.zeros(len(everything))
        np.add.at(total, edges[:, 0], everything[edges[:, 1]])
        np.add.at(count, edges[:, 0], 1)
        d = (d + (total / count[:, None])[: len(d)]) / 2
        d = d / np.linalg.norm(d, axis=-1, keepdims=True)
    return d


def _midline(mouth, neck, places):
    """Directions along the midline over nose and crown to the nape and from the mouth to the throat, between places."""

    def elevation(p):
        return np.arctan2(p[..., 1], p[..., 2]) % (2 * np.pi)

    # from the mouth upwards and over the head, down to the throat, which lies a whole turn less the mouth's angle on
    over = (elevation(mouth[0] - builtin_head.CENTRE) - 2 * np.pi, elevation(neck[-1] - builtin_head.CENTRE))
    under = (elevation(neck[0] - builtin_head.CENTRE), elevation(mouth[-1] - builtin_head.CENTRE))
    angles = [np.array([np.pi])]
    for start, stop, stations in ((*over, [np.pi]), (*under, [])):
        inner = np.concatenate([elevation(places), elevation(places) - 2 * np.pi, stations])
        inner = np.sort(inner[(inner > start) & (inner < stop)])
        ends = np.concatenate([[start], inner, [stop]])
        for a, b in zip(ends[:-1], ends[1:], strict=True):
            angles.append(_evenly(a, b))
    s = np.concatenate(angles)
    return np.stack([0 * s, np.sin(s), np.cos(s)], -1)


def _evenly(start, stop):
    """Angles strictly between two on the midline, at the wanted spacing."""
    s = np.linspace(start, stop, 100)
    d = np.stack([0 * s, np.sin(s), np.cos(s)], -1)
    steps = np.concatenate([[0], np.cumsum((s[1] - s[0]) * 92 / spacing(d)[1:])])
    count = max(1, round(steps[-1]))
    return np.interp(steps[-1] * np.arange(1, count) / count, steps, s)


def _between(points, used, rims):
    """Delaunay triangles on the sphere of directions, without those inside the patches."""
    d = _unit(points[used])
    hull = ConvexHull(d)
    t = hull.simplices
    outward = (np.cross(d[t[:, 1]] - d[t[:, 0]], d[t[:, 2]] - d[t[:, 0]]) * hull.equations[:, :3]).sum(-1) > 0
    t = used[np.where(outward[:, None], t, t[:, ::-1])]
    keep = ~(points[t][..., 0] == 0).all(-1)
    centre = builtin_head.to_plane(points[t].mean(1))
    for rim in rims:
        keep &= ~(np.isin(t, rim).all(-1) & _inside(centre, builtin_head.to_plane(points[rim])))
    return t[keep]


def _unit(points):
    d = points - builtin_head.CENTRE
    return d / np.linalg.norm(d, axis=-1, keepdims=True)


def _fibonacci(gap):
    """Directions with x > 0 spread evenly over the sphere about `gap` radians apart."""
    count = int(4 * np.pi / (gap**2 * 0.866))
    k = np.arange(count) + 0.5
    z, turn = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    d = np.stack([np.sqrt(1 - z**2) * np.cos(turn), np.sqrt(1 - z**2) * np.sin(turn), z], -1)
    return d[d[:, 0] > 0]


def _inside(q: Float[np.ndarray, "n 2"], polygon: Float[np.ndarray, "k 2"]) -> Bool[np.ndarray, "n"]:
    """Even-odd rule."""
    a, b = polygon, np.roll(polygon, -1, 0)
    x, y = q[:, :1], q[:, 1:]
    crosses = (a[:, 1] > y) != (b[:, 1] > y)
    rise = np.where(a[:, 1] == b[:, 1], 1.0, b[:, 1] - a[:, 1])
    return ((x < a[:, 0] + (y - a[:, 1]) * (b[:, 0] - a[:, 0]) / rise) & crosses).sum(-1) % 2 == 1


def disc(q: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """Texture coordinates of points of `builtin_head.to_plane`."""
    rho = np.linalg.norm(q, axis=-1, keepdims=True)
    angle = 2 * np.arcsin(np.clip(rho / 200, 0, 1))
    reach = (1 - np.exp(-angle / UV_TAU)) / (1 - np.exp(-np.pi / UV_TAU))
    return UV_CENTRE + UV_RADIUS * reach * q / np.maximum(rho, 1e-9)


def _uv(points, grids, outer, inner, throat, canal, nostril):
    """Texture coordinates: the head's disc, then the cavity's half disc; triangles of each with their own indices."""
    q = builtin_head.to_plane(points)
    ear = grids["ear"]
    depth = np.linspace(0, 0.95, len(ear))[:, None, None]
    q[ear] = q[ear[0]] + depth * (q[ear[0]].mean(0) - q[ear[0]])
    # what folds back under an edge gets a narrow border inside that edge
    for rings, sizes in (
        (grids["lids"][builtin_lids.EDGE :], (0.92, 0.8)),
        (grids["nostril"][1:], (0.8, 0.6, 0.35)),
    ):
        middle = q[rings[0]].mean(0)
        q[rings[1:]] = middle + np.array(sizes)[:, None, None] * (q[rings[0]] - middle)
    lips = grids["mouth"][builtin_lips.BORDER : builtin_lips.CONTACT + 1]
    share = np.linspace(0, 1, len(lips))[:, None, None]
    q[lips] = (1 - share) * q[lips[0]] + share * q[lips[-1]]
    q[canal], q[nostril] = q[ear[0]].mean(0), q[grids["nostril"][0]].mean(0)
    head = disc(q)

    deep = grids["mouth"][builtin_lips.CONTACT :]
    angle = np.pi * np.arange(builtin_lips.HALF) / (builtin_lips.HALF - 1)
    reach = np.linspace(1, 0.1, len(deep))[:, None, None]
    cavity = np.zeros_like(head)
    cavity[deep] = CAVITY_CENTRE + CAVITY_RADIUS * reach * np.stack([np.sin(angle) * 0.95, np.cos(angle)], -1)
    cavity[throat] = CAVITY_CENTRE
    return np.concatenate([head, cavity]), outer, inner + len(points)


def _mend_back(uv, uv_triangles):
    """Behind the head the disc is stretched so far that triangles across its rim fold over: each becomes a speck."""
    a, b, c = (uv[uv_triangles[:, k]] for k in range(3))
    folded = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) < (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    far = np.linalg.norm([a, b, c] - UV_CENTRE, axis=-1).min(0) > 0.85 * UV_RADIUS
    long = np.linalg.norm([b - a, c - b, a - c], axis=-1).max(0) > 0.6 * UV_RADIUS
    mended = np.nonzero(folded & far | long)[0]
    middle = (a + b + c)[mended] / 3 - UV_CENTRE
    middle = UV_CENTRE + 0.97 * UV_RADIUS * middle / np.linalg.norm(middle, axis=-1, keepdims=True)
    speck = np.array([[0, 0], [1e-3, 0], [0, 1e-3]])
    uv_triangles = uv_triangles.copy()
    uv_triangles[mended] = len(uv) + np.arange(3 * len(mended)).reshape(-1, 3)
    return np.concatenate([uv, (middle[:, None] + speck).reshape(-1, 2)]), uv_triangles


def _is_hair(points) -> Bool[np.ndarray, "v"]:
    """Scalp: above a hairline over forehead, temples and round the ears, and behind."""
    d = _unit(points)
    lon = np.degrees(np.arctan2(d[:, 0], d[:, 2]))
    lat = np.degrees(np.arcsin(d[:, 1]))
    line = np.interp(lon, [0, 25, 45, 62, 70, 82, 98, 112, 130, 180], [50, 49, 42, 26, 14, 18, 26, 2, -24, -30])
    return lat > line
