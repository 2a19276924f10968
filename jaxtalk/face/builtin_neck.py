"""The built-in head's neck: half rings from under the jaw and the skull's base down to an open stump. Millimetres."""

import numpy as np
from jaxtyping import Float

from jaxtalk.face import builtin_head

COLUMNS = 25
# Where the neck begins, in degrees: from under the chin round below the ear to the nape.
LONGITUDE = np.array([0, 32, 64, 80, 90, 100, 120, 140, 180.0])
LATITUDE = np.array([-63, -61, -56, -52, -49, -45.5, -41, -39, -37.0])
STUMP = (-155.0, -22.0, 60.0, 56.0, 60.0)  # y, z of the middle, half width, reach forwards and backwards
RINGS = np.array([0.0, 0.12, 0.26, 0.44, 0.7, 1.0])


def rings() -> Float[np.ndarray, "r k 3"]:
    """Half rings from the head's surface to the stump, columns from the front midline to the back."""
    share = np.linspace(0, 1, COLUMNS)
    longitude = np.interp(share, [0, 0.5, 1], [0, 85, 180])
    latitude = np.interp(longitude, LONGITUDE, LATITUDE)
    for _ in range(3):  # round the corners of the table
        latitude[1:-1] = (latitude[:-2] + 2 * latitude[1:-1] + latitude[2:]) / 4
    d = builtin_head.directions(longitude, latitude)
    start = builtin_head.surface(d)
    leave = builtin_head.surface(builtin_head.directions(longitude, latitude - 1.0)) - start
    leave = leave / np.linalg.norm(leave, axis=-1, keepdims=True)
    y, z, width, front, back = STUMP
    angle = np.pi * share
    end = np.stack(
        [width * np.sin(angle), np.full(COLUMNS, y), z + np.where(angle < np.pi / 2, front, back) * np.cos(angle)], -1
    )
    down = np.array([0.0, -1, 0])
    s = RINGS[:, None, None]
    length = np.linalg.norm(end - start, axis=-1)[:, None]
    h00, h10 = 2 * s**3 - 3 * s**2 + 1, s**3 - 2 * s**2 + s
    h01, h11 = -2 * s**3 + 3 * s**2, s**3 - s**2
    points = h00 * start + h10 * leave * 0.6 * length + h01 * end + h11 * down * 0.7 * length
    points[:, [0, -1], 0] = 0
    return points
