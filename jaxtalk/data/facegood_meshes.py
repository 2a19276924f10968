"""FACEGOOD's animation weights as coefficients of a rig with ARKit's shapes: the motion of real, recorded speech.

Weights are of 116 controls of a production rig, 30 frames a second. Every one has ARKit shapes that do the same to a
face, or none: the tongue's and the inner teeth's have none. What stands for several of ours, or is stood for by parts
of it (the four quarters of a funnel), is in the table with its share. Coefficients are cut off at 1.

FACEGOOD: https://github.com/FACEGOOD/FACEGOOD-Audio2Face (MIT). In its recordings only the mouth, and a little the
nose, move: eyes and brows are still.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float32

from jaxtalk.errors import InputError
from jaxtalk.face.arkit import INDEX, NAMES

Share = tuple[str, float]


def _sides(source: str, ours: str, share: float = 1.0) -> dict[str, tuple[Share, ...]]:
    return {f"{source}_{side}": ((f"{ours}{name}", share),) for side, name in (("l", "Left"), ("r", "Right"))}


TABLE: dict[str, tuple[Share, ...]] = {
    "mouth_stretch_c": (("jawOpen", 1.0),),
    "jaw_thrust_c": (("jawForward", 1.0),),
    **_sides("jaw_sideways", "jaw"),
    "mouth_chinRaise_d": (("mouthShrugLower", 1.0),),
    "mouth_chinRaise_u": (("mouthShrugUpper", 1.0),),
    # Rounded mouths: an open one is half a funnel, a narrow one a pucker.
    "mouth_oh_c": (("mouthFunnel", 0.5),),
    "mouth_oo_c": (("mouthPucker", 1.0),),
    **{f"mouth_funnel_{quarter}": (("mouthFunnel", 0.25),) for quarter in ("dl", "dr", "ul", "ur")},
    **{f"mouth_pucker_{side}": (("mouthPucker", 0.5),) for side in "lr"},
    **{f"mouth_suck_d{side}": (("mouthRollLower", 0.5),) for side in "lr"},
    **{f"mouth_suck_u{side}": (("mouthRollUpper", 0.5),) for side in "lr"},
    **_sides("mouth_dimple", "mouthDimple"),
    **_sides("mouth_lipCornerDepress", "mouthFrown"),
    **_sides("mouth_lipCornerPull", "mouthSmile"),
    **_sides("mouth_lipStretch", "mouthStretch"),
    **_sides("mouth_lowerLipDepress", "mouthLowerDown"),
    **_sides("mouth_upperLipRaise", "mouthUpperUp"),
    **_sides("mouth_press", "mouthPress"),
    **_sides("mouth_sideways", "mouth"),
    "brow_raise_c": (("browInnerUp", 1.0),),
    **_sides("brow_raise", "browOuterUp"),
    **_sides("brow_lower", "browDown"),
    **_sides("eye_blink1", "eyeBlink"),
    **_sides("eye_lidTight", "eyeSquint"),
    **_sides("eye_upperLidRaise", "eyeWide"),
    **_sides("cheek_raise", "cheekSquint"),
    **{f"cheek_puff_{side}": (("cheekPuff", 0.5),) for side in "lr"},
    **_sides("nose_wrinkle", "noseSneer"),
}


def expression(path: str | Path) -> tuple[Float32[np.ndarray, "n 52"], float]:
    """ARKit-52 coefficients and frames a second of a recording's `.npz`. InputError if it is none."""
    try:
        with np.load(path, allow_pickle=False) as file:
            values, names, fps = file["weights"], file["names"].tolist(), float(file["fps"])
    except (OSError, EOFError, KeyError, ValueError) as error:
        raise InputError(f"{path}: holds no weights of FACEGOOD ({error}); see jaxtalk/data/clips.py") from error
    made = np.zeros((len(values), len(NAMES)), np.float32)
    for source, column in zip(names, values.T, strict=True):
        for ours, share in TABLE.get(source, ()):
            made[:, INDEX[ours]] += share * column
    return made.clip(0, 1), fps
