"""The built-in head's outer surface: a skull ellipsoid with anatomical bumps, as a radius over directions.

Every point is CENTRE + radius(d) d for a unit direction d, so moving one bump's height moves one feature of the face
and nothing else, which is what the identity basis needs. Lengths in this and the other `builtin_*` files are in
millimetres. The numbers were placed by hand and tuned until the surface kept adult proportions (Farkas 1994, average
of women and men) and came within a millimetre or two of ICT-FaceKit's mean head in front.
"""

import numpy as np
from jaxtyping import Float

CENTRE = np.array([0.0, 0.0, 5.0])  # of the rays; 5 mm in front of the midpoint between the ears
SKULL = np.array([85.0, 107.0, 88.0])  # semi-axes of the ellipsoid under the bumps

# name: longitude, latitude (degrees; 0, 0 looks forward, 90, 0 to the ear), widths (degrees: sideways, above, below
# the centre; standard deviations of a Gaussian), height in mm. Off the midline a bump stands on both sides.
BUMPS = {
    "crown": (0, 95, 57, 53, 61, 18),
    "occiput": (180, 47, 46, 25, 40, 14),
    "parietal": (122, 44, 32, 32, 40, 8),
    "nape": (180, -28, 36, 18, 12, -6),
    "skull side": (102, -22, 46, 44, 24, -20),
    "temple": (89, 25, 32, 18, 20, -10),
    "forehead": (0, 36, 35, 21, 18, 5),
    "frontal eminence": (21, 44, 14, 21, 14, 6),
    "glabella": (0, 23, 9, 6.5, 4.5, 1.5),
    "brow ridge": (15, 25, 9.5, 6.5, 3.5, 7),
    "brow tail": (33.5, 20, 7.5, 7, 6.5, 7),
    "orbit": (16, 16, 16, 14, 4, -6),
    "inner orbit": (13.5, 16.5, 4.5, 3.5, 8.5, -7.5),
    "outer orbit": (34.5, 13.5, 5.5, 4, 6.5, -3.5),
    "tear trough": (11.5, 9.5, 3, 2.5, 4, -1.5),
    "cheekbone": (39.5, -4, 12.5, 9, 11.5, 5.5),
    "infraorbital": (20.5, 3.5, 7, 3.5, 6.5, -4),
    "zygion": (60, 6, 11, 8, 9, 2.5),
    "cheek": (52, -26, 19, 14, 12, 4),
    "muzzle": (0, -31, 22, 19, 19, 14),
    "mouth corner": (14.5, -27, 3.5, 2, 3.5, -3.5),
    "nasolabial": (16, -16, 3, 9.5, 2.5, -2),
    "chin": (0, -41.5, 15, 9, 8.5, 14),
    "chin side": (18, -49.5, 8, 5.5, 17.5, 8),
    "mentolabial": (0, -38.5, 12, 4, 2.5, -4.5),
    "jaw line": (40.5, -52, 12, 13.5, 15.5, 5),
    "jaw angle": (67, -39, 9, 13, 6.5, 3),
    "submental": (0, -71, 29, 9, 13, -9),
    "prejowl": (24, -53.5, 7, 10.5, 6.5, -5),
    "upper lip": (0, -28.5, 9, 6, 2, 5),
    "lower lip": (0, -39, 7, 2.5, 3.5, 6),
    "nasion": (0, 15.5, 4.5, 3.5, 3.5, 4.5),
    "bridge": (0, 5.5, 2.5, 7, 6, 7),
    "bridge wall": (3.5, 1.5, 2, 8, 8, 4),
    "supratip": (0, -2.5, 5, 4.5, 3, 5),
    "nose tip": (0, -7, 5, 6, 2, 13.5),
    "tip lobe": (2.5, -8, 2.5, 4, 2, 3),
    "columella": (0, -10.5, 2, 2, 3, 6.5),
    "columella base": (0, -20, 7.5, 3.5, 2, 8),
    "ala": (9, -8, 2, 2.5, 2.5, 10),
    "ala back": (9.5, -11, 2, 2, 2, 3),
    "ala top": (6, -5.5, 2, 2.5, 2, 5),
    "ala groove": (11, -9, 2, 4, 3.5, -6.5),
    "nostril sill": (4, -14.5, 2, 2, 2, 2.5),
    "alar base": (7.5, -13.5, 2.5, 2, 2.5, -1.5),
    "soft triangle": (5, -9, 2, 2, 2, -2),
    "subnasale": (0, -19.5, 4.5, 3, 4.5, -1.5),
    "philtrum": (0, -22, 1.5, 4, 3.5, -1),
}


def directions(longitude: Float[np.ndarray, "*n"], latitude: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n 3"]:
    """Unit vectors of (longitude, latitude) in degrees."""
    lon, lat = np.radians(longitude), np.radians(latitude)
    return np.stack([np.sin(lon) * np.cos(lat), np.sin(lat), np.cos(lon) * np.cos(lat)], -1)


def _two_sided(bumps) -> Float[np.ndarray, "b 6"]:
    """The table's rows, with a mirror image of every bump that is off the midline."""
    rows = np.array(bumps, float)
    return np.concatenate([rows, rows[rows[:, 0] % 180 != 0] * [-1, 1, 1, 1, 1, 1]])


_ROWS = _two_sided(list(BUMPS.values()))


def radius(d: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n"]:
    """Distance in mm from CENTRE to the surface along unit directions d."""
    lon, lat, side, above, below, height = _ROWS.T
    centre, zero = directions(lon, lat), 0 * lon
    lon, lat = np.radians(lon), np.radians(lat)
    east = np.stack([np.cos(lon), zero, -np.sin(lon)], -1)
    north = np.stack([-np.sin(lon) * np.sin(lat), np.cos(lat), -np.cos(lon) * np.sin(lat)], -1)
    angle = np.arccos(np.clip(d @ centre.T, -1, 1))
    stretch = np.degrees(1 / np.maximum(np.sinc(angle / np.pi), 0.02))  # tangent plane to degrees of arc
    a, b = d @ east.T * stretch, d @ north.T * stretch
    bumps = np.exp(-0.5 * ((a / side) ** 2 + (b / np.where(b > 0, above, below)) ** 2))
    fade = np.clip((3.0 - angle) / 0.6, 0, 1)  # a tangent plane says nothing about the far side
    return 1 / np.sqrt(((d / SKULL) ** 2).sum(-1)) + (bumps * fade) @ height


def surface(d: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """Points in mm along unit directions d."""
    return CENTRE + radius(d)[..., None] * d


def drop(x: Float[np.ndarray, "*n"], y: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n 3"]:
    """The points of the face that a frontal view shows at (x, y) mm."""
    z = np.full(np.shape(x), 90.0)
    for _ in range(15):
        offset = np.stack([x, y, z], -1) - CENTRE
        distance = np.linalg.norm(offset, axis=-1)
        z = z + 0.8 * (radius(offset / distance[..., None]) - distance)
    return np.stack([x, y, z], -1)


def to_plane(points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 2"]:
    """Lambert's equal-area map of the direction from CENTRE, front in the middle, the back on a circle of radius 200.

    Near the front one unit is about one millimetre.
    """
    d = points - CENTRE
    d = d / np.linalg.norm(d, axis=-1, keepdims=True)
    return d[..., :2] * 100 * np.sqrt(2 / np.maximum(1 + d[..., 2:], 1e-9))


def from_plane(q: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 3"]:
    """Unit directions of points of the plane, the inverse of `to_plane`."""
    q = q / 100
    s = (q**2).sum(-1, keepdims=True)
    return np.concatenate([q * np.sqrt(np.maximum(1 - s / 4, 0)), 1 - s / 2], -1)
