"""The built-in head's +x nostril: rings of vertices from under the nose into a short dead end. Millimetres."""

import numpy as np
from jaxtyping import Float

from jaxtalk.face import builtin_head

COLUMNS = 14
CENTRE = (4.5, -9.9)  # longitude, latitude in degrees
AXES = (2.2, 1.1)  # half axes of the rim in degrees, sideways and upwards
TILT = np.radians(-4.0)
# Rings: size relative to the rim, and the way into the nose in mm.
RINGS = ((1.5, (0, 0, 0)), (1.2, (0, -0.2, 0)), (1.0, (0, 0.5, 0)), (0.85, (0, 3.2, -1.0)), (0.5, (-1.0, 8.5, -4.0)))


def rings() -> Float[np.ndarray, "r k 3"]:
    """Rings from the head's surface to the dead end."""
    turn = 2 * np.pi * np.arange(COLUMNS) / COLUMNS
    across, along = AXES[0] * np.sin(turn), AXES[1] * np.cos(turn)
    lon = CENTRE[0] + np.cos(TILT) * across - np.sin(TILT) * along
    lat = CENTRE[1] + np.sin(TILT) * across + np.cos(TILT) * along
    result = []
    for size, inwards in RINGS:
        d = builtin_head.directions(CENTRE[0] + size * (lon - CENTRE[0]), CENTRE[1] + size * (lat - CENTRE[1]))
        result.append(builtin_head.surface(d) + np.array(inwards))
    return np.stack(result)
