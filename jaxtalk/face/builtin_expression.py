"""The built-in head's 52 ARKit blendshapes, as displacements in mm of the whole mesh.

A shape is a sum of few parts: the jaw's turn about the condyles; lips led by displacements at eight places round the
mouth; lids that slide over the eyeball; turning eyeballs; and pulls on the skin. Shapes of the subject's right are
mirror images of the left ones.
"""

import numpy as np
from jaxtyping import Float, Int

from jaxtalk.face import arkit, builtin_eyelid_motion, builtin_jaw, builtin_lip_motion, builtin_mesh
from jaxtalk.face.builtin_lip_motion import Lips

# Displacements (mm) at the middle of the upper lip, its side, the corner, the lower lip's side and middle, for the
# border of the red and for the line where the lips touch (the same unless given).
LIPS = {
    "mouthFunnel": Lips(
        [(0, 5.5, 7), (-1.5, 3, 8.2), (-5.5, 0, 8), (-2.5, -4, 7.5), (0, -7.5, 5)],
        [(0, 5, 6.3), (-2.5, 2.7, 7.5), (-5.5, 0, 8.2), (-3, -4.5, 8), (0, -7, 6.6)],
    ),
    "mouthPucker": Lips(
        [(0, 2.2, 9), (-4, 1.2, 9.5), (-9, 0.8, 10), (-5, 0, 9.2), (0, -1.2, 7.8)],
        [(0, 0.0, 8.4), (-4, 0.2, 9.2), (-9, 0.8, 10), (-4, 0.2, 9.2), (0, 0.0, 8.4)],
    ),
    "mouthLeft": Lips(
        [(9, 0.6, -1.5), (7, 1.5, -3.5), (4.5, 3.2, -3.2), (7, 1.8, -3.2), (9, 0.5, -1.6)],
        other=[(9.5, 0, 1.5), (9, 0.2, 4.5), (9.5, 0, 1.6)],
        sealed=True,
    ),
    "mouthSmileLeft": Lips(
        [(0, 1.2, -1.4), (4.5, 4.2, -5.5), (7.5, 9.5, -8.8), (4.2, 5.6, -5.4), (0, 1.4, -1)], sealed=True
    ),
    "mouthFrownLeft": Lips([(0, -0.5, -0.3), (0.8, -2.2, -1), (2, -6, -2), (1, -2, 0.2), (0, -0.3, 0)], sealed=True),
    "mouthDimpleLeft": Lips([(0, 0.1, 0), (2, 0.2, -2), (3, 1.8, -6), (2.4, 1.6, -3.4), (0, 0.3, -0.6)], sealed=True),
    "mouthStretchLeft": Lips(
        [(0, -0.4, -1), (3.2, -1.4, -3.4), (8, -3.2, -7.2), (4.2, -1.6, -3.8), (0, -0.6, -1)], sealed=True
    ),
    "mouthRollLower": Lips(
        [(0, 0, 0), (0, 0, 0), (0.2, -0.2, -0.6), (-0.4, 5, -3), (0, 7, -4)],
        [(0, 0, 0), (0, 0, 0), (0.2, -0.2, -1), (0, 0, -4), (0, 0, -5)],
    ),
    "mouthRollUpper": Lips(
        [(0, -5, -4.5), (-0.2, -3.8, -4), (0.4, 0.2, -0.8), (0, 0, 0), (0, 0, 0)],
        [(0, 0, -5), (0, 0, -4), (0.2, 0, -1), (0, 0, 0), (0, 0, 0)],
    ),
    "mouthShrugLower": Lips(
        [(0, 1, 0.4), (0, 0.6, 0.3), (0, 0.8, 0.8), (0.4, 4, 4), (0, 5, 4.6)],
        [(0, 1.4, 0.6), (0, 1, 0.5), (0, 0.8, 0.8), (0.3, 1.6, 2), (0, 2, 2.2)],
    ),
    "mouthShrugUpper": Lips([(0, 4.6, 0.6), (0.2, 3, 0.4), (0, 0.4, 0), (0, 0, 0), (0, 0, 0)]),
    "mouthPressLeft": Lips(
        [(0, -0.7, -0.5), (-0.2, -1.2, -0.6), (0, 0.8, 0), (-0.1, 2.0, 0), (0, 0.9, 0)],
        [(0, 0, -0.8), (0, 0, -1), (0, 0.4, -0.2), (0, 0, -1), (0, 0, -0.8)],
    ),
    "mouthLowerDownLeft": Lips([(0, 0, 0), (0, -0.1, 0), (0.1, -1.2, -0.3), (1, -4.8, -1.3), (0, -3.2, -1)]),
    "mouthUpperUpLeft": Lips([(0, 3.6, -0.6), (1.4, 6.4, -0.6), (0.2, 3, 0), (0.1, 0.6, 0), (0, 0.1, 0)]),
    "noseSneerLeft": Lips([(0, 2.6, -0.3), (0.5, 5.2, 0), (-0.5, 2.6, 0.2), (-0.1, 0.9, 0), (0, 0.1, 0)]),
    "cheekPuff": Lips([(0, 0.3, 3), (-1, 0.4, 5), (-2.5, 0.8, 8), (-1, 0, 5.5), (0, -0.2, 3.4)], sealed=True),
}

# Pulls on the skin: (centre, reach, displacement) in mm.
PULLS = {
    "mouthSmileLeft": [((44, -8, 84), (17, 14, 20), (1.5, 5.5, 3.2)), ((36, -28, 92), (10, 12, 16), (3, 4, 0))],
    "mouthFrownLeft": [((26, -62, 88), (13, 12, 18), (0, -1.2, 1.2))],
    "mouthStretchLeft": [((40, -66, 70), (20, 18, 28), (3, -1.6, 0))],
    "mouthShrugLower": [((0, -72, 105), (24, 15, 22), (0, 6.5, 1.5))],
    "mouthPressLeft": [((8, -72, 103), (16, 13, 20), (0, 1.6, 0.8))],
    "mouthUpperUpLeft": [((18, -24, 100), (12, 13, 16), (0.4, 3.2, 0.3))],
    "cheekPuff": [((46, -36, 80), (20, 22, 26), (8, 0.5, 9))],
    "cheekSquintLeft": [((38, 4, 86), (20, 12, 20), (0.5, 5.0, 2.0)), ((58, -4, 62), (14, 16, 18), (0.4, 1.4, 2))],
    "noseSneerLeft": [
        ((15, -16, 100), (11, 13, 14), (0.4, 5.4, 0.4)), ((10, 6, 100), (9, 14, 14), (-0.2, 2.2, 1)),
        ((16, 44, 98), (14, 11, 16), (-0.8, -2.2, 0.4)),
    ],
    "browDownLeft": [((27, 45, 96), (19, 12, 22), (-3, -5, 2)), ((8, 40, 99), (9, 11, 14), (-1.2, -1.8, 1)),
                     ((51, 42, 76), (13, 12, 18), (-1.4, -1.6, 1.2))],
    "browInnerUp": [((13, 46, 98), (15, 17, 20), (0.3, 6.0, -0.6)), ((26, 62, 92), (22, 18, 24), (0, 2, 0))],
    "browOuterUpLeft": [((42, 50, 86), (19, 16, 22), (0.8, 7.5, -2.2)), ((40, 68, 78), (22, 18, 24), (0, 2.4, -0.6))],
    "eyeSquintLeft": [((34, 11, 86), (19, 8, 14), (-0.3, 1.8, 0.8)), ((53, 20, 72), (9, 12, 14), (-1.0, 0, 0.3))],
}  # fmt: skip


def basis(mesh: builtin_mesh.Part, back: Int[np.ndarray, "v"]) -> Float[np.ndarray, "e v 3"]:
    """Displacements in mm in the order of `arkit.NAMES`; `back` gives every vertex's mirror image."""
    jaw = builtin_jaw.Jaw(mesh)
    mouth = builtin_lip_motion.Mouth(mesh)
    shapes = {
        "jawOpen": jaw.open(mouth),
        "jawForward": jaw.shift(mouth, (0, 0.2, 8.0)),
        "jawLeft": jaw.shift(mouth, (8.0, 0, 0)),
        "tongueOut": _tongue_out(mesh),
    }
    shapes["mouthClose"] = mouth.close(shapes["jawOpen"])
    shapes |= builtin_eyelid_motion.shapes(mesh)
    for name in LIPS.keys() | PULLS.keys():
        shape = shapes.get(name, np.zeros_like(mesh.points))
        if name in LIPS:
            shape = shape + mouth.move(LIPS[name], one_sided=name.endswith("Left"))
        for pull in PULLS.get(name, ()):
            shape = shape + _pull(mesh, mouth, pull)
        shapes[name] = shape
    flip = np.array([-1.0, 1, 1])
    for name in arkit.NAMES:
        left = name.replace("Right", "Left")
        if name not in shapes:
            shapes[name] = shapes[left][back] * flip
    paired = {name for name in arkit.NAMES if "Left" in name or "Right" in name}
    for name in set(arkit.NAMES) - paired:
        # both halves of a symmetric shape; the +x half counts, the midline stays on the midline
        left = np.where(mesh.points[:, :1] > 0, shapes[name], shapes[name][back] * flip)
        shapes[name] = np.where(mesh.points[:, :1] == 0, shapes[name] * [0, 1, 1], left)
    return np.stack([shapes[name] for name in arkit.NAMES])


def _pull(mesh, mouth, pull):
    centre, reach, vector = pull
    distance = (((mesh.points - np.array(centre)) / np.array(reach)) ** 2).sum(-1)
    return (np.exp(-distance) * mouth.loose_skin)[:, None] * np.array(vector)


def _tongue_out(mesh):
    """The front of the tongue slides forwards over the lower lip and bends down."""
    shape = np.zeros_like(mesh.points)
    tongue = np.concatenate([mesh.grids[name].ravel() for name in ("tongue", "tongue_r", "tongue_tip")])
    p = mesh.points[tongue]
    share = np.clip((p[:, 2] - 52) / 40, 0, 1) ** 1.5
    forward, width = 34 * share, 0.12 * share
    shape[tongue] = np.stack(
        [-p[:, 0] * width, (-48 - p[:, 1]) * 0.45 * share + 1.5 * share - 7 * share**4, forward], -1
    )
    return shape
