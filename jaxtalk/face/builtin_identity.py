"""How people differ, for the built-in head: one displacement field per trait, one standard deviation each. mm.

Sizes of the standard deviations follow the spreads that Farkas (Anthropometry of the Head and Face, 1994) gives for
adults of one sex, rounded up a little to cover both.
"""

import numpy as np
from jaxtyping import Float

from jaxtalk.face import builtin_lids, builtin_lips, builtin_mesh
from jaxtalk.face.model import REGIONS

# name: pulls, each (centre, reach, displacement), in mm; off the midline also on the other side, mirrored.
PULLS = {
    "jaw width": [((58, -52, 35), (30, 26, 42), (4.0, 0, 0))],
    "lower face length": [((0, -85, 95), (60, 36, 60), (0, -4.0, 0))],
    "jaw slope": [((50, -72, 40), (30, 24, 34), (0, 4.0, 0))],
    "chin prominence": [((0, -76, 104), (26, 20, 30), (0, 0, 3.2))],
    "chin width": [((20, -80, 92), (15, 16, 24), (2.6, 0, 1.0))],
    "chin height": [((0, -84, 98), (24, 12, 26), (0, -3.0, 0))],
    "nose length": [((0, -13, 116), (20, 17, 24), (0, -2.6, 0))],
    "nose protrusion": [((0, -10, 122), (17, 19, 26), (0, 0, 2.6))],
    "nose width": [((17, -14, 103), (8, 11, 14), (1.7, 0, 0))],
    "nose bridge height": [((0, 14, 108), (10, 14, 20), (0, 0, 2.0))],
    "nose bridge width": [((9, 10, 98), (7, 15, 14), (1.2, 0, 0.3))],
    "nose tip turn": [((0, -10, 121), (13, 9, 14), (0, 2.4, 0.4)), ((0, -22, 109), (12, 8, 12), (0, 1.2, -0.6))],
    "nose hump": [((0, 4, 114), (7, 9, 14), (0, 0, 1.3))],
    "upper lip length": [((0, -44, 104), (34, 17, 30), (0, -1.8, 0))],
    "mouth width": [((25, -47, 94), (13, 15, 18), (2.4, 0, -1.0))],
    "mouth protrusion": [((0, -46, 106), (30, 22, 30), (0, 0, 2.2))],
    "eye spacing": [((32, 23, 80), (21, 19, 30), (1.5, 0, 0))],
    "eye height": [((32, 23, 80), (25, 20, 30), (0, 1.4, 0))],
    "eye depth": [((32, 23, 80), (21, 18, 28), (0, 0, -1.5))],
    "eye slant": [((46, 23, 78), (11, 10, 16), (0, 1.5, 0)), ((17, 21, 84), (6, 7, 12), (0, -0.6, 0))],
    "brow height": [((30, 43, 96), (26, 11, 24), (0, 1.8, 0))],
    "brow ridge": [((20, 42, 100), (22, 10, 22), (0, 0, 2.0))],
    "cheekbones": [((54, 3, 68), (19, 17, 26), (2.4, 0, 2.2))],
    "cheek fullness": [((50, -34, 68), (22, 22, 32), (3.0, 0, 2.2))],
    "temples": [((66, 40, 50), (18, 26, 36), (2.4, 0, 0.6))],
    "forehead slope": [((0, 82, 90), (64, 30, 44), (0, 0, -3.4))],
    "forehead height": [((0, 100, 40), (90, 52, 110), (0, 4.0, 0))],
    "ear flare": [((88, -2, -14), (14, 30, 20), (3.2, 0, 1.0))],
    "ear length": [((84, -32, -4), (16, 18, 20), (0, -2.0, 0)), ((84, 28, -8), (14, 16, 20), (0, 1.8, 0))],
    "neck width": [((52, -130, 0), (40, 42, 80), (5.0, 0, 0))],
}
# One-sided traits: nobody is symmetric.
SKEWS = {
    "chin to one side": [((0, -78, 96), (50, 40, 60), (1.8, 0, 0))],
    "nose to one side": [((0, -8, 118), (16, 18, 24), (1.3, 0, 0))],
    "one eye higher": [((32, 23, 80), (23, 20, 30), (0, 0.7, 0)), ((-32, 23, 80), (23, 20, 30), (0, -0.7, 0))],
    "mouth tilt": [((24, -46, 95), (16, 14, 22), (0, 0.9, 0)), ((-24, -46, 95), (16, 14, 22), (0, -0.9, 0))],
}
# Stretches of everything: factors in x, y and z about the head's origin.
STRETCHES = {
    "head size": (0.028, 0.028, 0.028),
    "face width": (0.034, -0.006, 0),
    "face height": (-0.004, 0.032, 0),
    "head depth": (0, 0, 0.03),
}
NAMES = (*STRETCHES, *PULLS, "upper lip fullness", "lower lip fullness", *SKEWS, "eye opening")


def basis(mesh: builtin_mesh.Part) -> Float[np.ndarray, "i v 3"]:
    """Displacements in mm, one standard deviation of each trait of NAMES."""
    inside = _rigid_vertices(mesh)
    fields = [mesh.points * np.array(factors) for factors in STRETCHES.values()]
    for pulls in PULLS.values():
        both = [pull for c, r, v in pulls for pull in _both_sides(c, r, v)]
        fields.append(_skin_only(_pull(mesh.points, both), inside))
    fields += [_skin_only(_fuller(mesh, upper), inside) for upper in (1, 0)]
    fields += [_skin_only(_pull(mesh.points, pulls), inside) for pulls in SKEWS.values()]
    fields = [_carry_eyeballs(mesh, _keep_lids_facing(mesh, field)) for field in fields]
    return np.stack([*fields, _open_eyes(mesh)])


def _both_sides(centre, reach, vector):
    if centre[0] == 0:
        return [(centre, reach, vector)]
    flip = np.array([-1, 1, 1])
    return [(centre, reach, vector), (np.array(centre) * flip, reach, np.array(vector) * flip)]


def _pull(points, pulls):
    total = np.zeros_like(points)
    for centre, reach, vector in pulls:
        distance = (((points - np.array(centre)) / np.array(reach)) ** 2).sum(-1)
        total += np.exp(-distance)[:, None] * np.array(vector)
    return total


def _rigid_vertices(mesh):
    regions = [REGIONS.index(name) for name in ("teeth_upper", "teeth_lower", "tongue", "eye")]
    rigid = np.unique(mesh.triangles[np.isin(mesh.region, regions)])
    gums = [mesh.grids[name + side].ravel() for name in ("gum_upper", "gum_lower") for side in ("", "_r")]
    return np.union1d(rigid, np.concatenate(gums))


def _skin_only(field, inside):
    field[inside] = 0
    return field


def _fuller(mesh, upper):
    """The red of one lip swells forwards and its border moves away from the slit."""
    field = np.zeros_like(mesh.points)
    side = builtin_lips.is_upper() == upper
    away = 1.0 if upper else -1.0
    height = np.cos(np.pi / 2 * builtin_lips.fraction())[side]
    # outside rings, border ... contact
    rise = np.array([0, 0.4, 0.8, 1, 1, 0.9, 0.6, 0.3, 0]) * 1.5
    swell = np.array([0, 0.1, 0.3, 0.6, 0.9, 1, 0.9, 0.6, 0.3]) * 1.2
    for grid in (mesh.grids["mouth"], mesh.grids["mouth_r"]):
        rings = grid[: builtin_lips.CONTACT][:, side]
        field[rings, 1] = away * rise[: len(rings), None] * height
        field[rings, 2] = swell[: len(rings), None] * height
    return field


def _open_eyes(mesh):
    """Upper lids rest higher."""
    field = np.zeros_like(mesh.points)
    share = np.array([0, 0.1, 0.35, 0.7, 0.9, 1, 1, 1])
    arch = np.where(builtin_lids.is_upper() == 1, np.sin(np.pi * builtin_lids.fraction()), 0)
    for name in ("lids", "lids_r"):
        field[mesh.grids[name], 1] = 0.6 * share[:, None] * arch
        field[mesh.grids[name], 2] = -0.25 * share[:, None] * arch
    return field


def _keep_lids_facing(mesh, field):
    """Upper and lower edge move alike, column by column, so that a blink closes the eyes of everybody."""
    share = np.array([0, 0.1, 0.3, 0.6, 0.85, 1, 1, 1])[:, None, None]
    facing = (-np.arange(builtin_lids.COLUMNS)) % builtin_lids.COLUMNS
    for side in ("", "_r"):
        rings = mesh.grids["lids" + side]
        edge = field[rings[builtin_lids.EDGE]]
        field[rings] += share * ((edge + edge[facing]) / 2 - edge)
        field[rings[builtin_lids.WET :]] = field[rings[builtin_lids.EDGE]]
    return field


def _carry_eyeballs(mesh, field):
    """Eyeballs move and grow with their lids: the least-squares shift and scale of the lids' inner edge."""
    for side in ("", "_r"):
        ring = mesh.grids["lids" + side][builtin_lids.WET]
        ball = np.concatenate([mesh.grids[name + side].ravel() for name in ("eyeball", "pupil", "eyeback")])
        rest = mesh.points[ring]
        centred = rest - rest.mean(0)
        moved = field[ring] - field[ring].mean(0)
        scale = (centred * moved).sum() / (centred**2).sum()
        field[ball] = field[ring].mean(0) + scale * (mesh.points[ball] - rest.mean(0))
    return field
