"""Where the 68 Multi-PIE points lie on the built-in head. Millimetres, the subject's left (+x) half and the midline."""

import numpy as np
from jaxtyping import Int

from jaxtalk.face import builtin_lids, builtin_lips, builtin_mesh

# Jaw, brow and nose points on the skin, by their index; each becomes a vertex.
PLACES = {
    8: (0, -88, 96), 9: (15.5, -85, 94), 10: (30, -81, 80), 11: (43, -73.5, 65.5), 12: (56.5, -57, 53),
    13: (65, -36, 44), 14: (69, -17, 37), 15: (72, 3, 31), 16: (73, 24, 28),
    22: (11.5, 44, 99), 23: (21, 49, 97), 24: (33, 50.5, 91), 25: (45, 47.5, 82), 26: (54, 40, 72),
    27: (0, 25, 99.5), 28: (0, 14.5, 107), 29: (0, 4, 115), 30: (0, -8, 122.5),
    33: (0, -24, 108), 34: (6.5, -23.4, 106.5), 35: (13, -22.8, 101),
}  # fmt: skip
LIDS = {42: 0, 43: 5, 44: 9, 45: 14, 46: 19, 47: 23}  # columns of the lids' edge
BORDER = {51: 0, 52: 2, 53: 6, 54: 12, 55: 18, 56: 22, 57: 24}  # columns of the vermilion border
CONTACT = {62: 0, 63: 3, 64: 12, 65: 21, 66: 24}  # columns where the lips touch
# The mirrored points: index on the subject's right for each on the left.
TWIN = dict(zip(range(9, 17), range(7, -1, -1), strict=True)) | dict(zip(range(22, 27), range(21, 16, -1), strict=True))
TWIN |= {34: 32, 35: 31, 42: 39, 43: 38, 44: 37, 45: 36, 46: 41, 47: 40, 52: 50, 53: 49, 54: 48, 55: 59, 56: 58}
TWIN |= {63: 61, 64: 60, 65: 67}


def indices(mesh: builtin_mesh.Part, back: Int[np.ndarray, "v"]) -> Int[np.ndarray, "68"]:
    """Vertices of the 68 points; `back` gives every vertex's mirror image."""
    result = np.zeros(68, int)
    result[list(PLACES)] = mesh.grids["places"]
    for ring, columns in (
        (mesh.grids["lids"][builtin_lids.EDGE], LIDS),
        (mesh.grids["mouth"][builtin_lips.BORDER], BORDER),
        (mesh.grids["mouth"][builtin_lips.CONTACT], CONTACT),
    ):
        for landmark, column in columns.items():
            result[landmark] = ring[column]
    for left, right in TWIN.items():
        result[right] = back[result[left]]
    return result
