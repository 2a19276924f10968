"""FLAME (Li et al., SIGGRAPH Asia 2017; https://flame.is.tue.mpg.de) to a FaceModel.

The source is `generic_model.pkl` (or `female_model.pkl`, `male_model.pkl`), a pickle of chumpy arrays that is read
without chumpy and without executing it; or a folder with one of them. 300 shape components become identity, 100
expression components `flame000` ... `flame099`.

FLAME turns jaw and eyes by joints, which a linear model cannot; so each becomes a shape that is exact at full
deflection (skinning weights and pose correctives applied once, at `JAW_OPEN` or `EYE_TURN`) and a straight line in
between: jawOpen, jawLeft, jawRight and the eight eyeLook shapes of ARKit. Blinks are not among them: FLAME has none.

The 68 points are vertices: of `landmark_embedding.npy` or `flame_static_embedding.pkl` beside the model the nearest
ones (the latter has no jaw line), else `LANDMARKS_68`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from jaxtalk.convert import face_axes, pickles
from jaxtalk.errors import InputError
from jaxtalk.face import store
from jaxtalk.face.model import REGIONS, FaceModel

SHAPES = 300  # the first components of shapedirs; the rest are expressions
JAW_OPEN, JAW_SIDE, EYE_TURN = 0.4, 0.12, 0.5  # radians at a coefficient of 1
JAW, LEFT_EYE, RIGHT_EYE = 2, 3, 4  # joints; left is the subject's
# Vertices of FLAME's 5023 at the iBUG points, as published with NPHM and MonoNPHM (their fitting to 68 landmarks).
LANDMARKS_68 = np.array(
    [2212, 3060, 3485, 3384, 3386, 3389, 3418, 3395, 3414, 3598, 3637, 3587, 3582, 3580, 3756, 2012, 730]
    + [1984, 3157, 335, 3705, 3684, 3851, 3863, 16, 2138, 571]
    + [3553, 3561, 3501, 3526, 2748, 2792, 3556, 1675, 1612]
    + [2437, 2383, 2494, 3632, 2278, 2296, 3833, 1343, 1034, 1175, 884, 829]
    + [2715, 2813, 2774, 3543, 1657, 1696, 1579, 1795, 1865, 3503, 2948, 2898, 2845, 2785, 3533, 1668, 1730]
    + [1669, 3509, 2786]
)
# (joint, rotation vector) of each ARKit shape: x right, y up, z forward, so +x turns downwards and +y to the right.
TURNS = {
    "jawOpen": (JAW, (JAW_OPEN, 0.0, 0.0)),
    "jawLeft": (JAW, (0.0, JAW_SIDE, 0.0)),
    "jawRight": (JAW, (0.0, -JAW_SIDE, 0.0)),
    "eyeLookDownLeft": (LEFT_EYE, (EYE_TURN, 0.0, 0.0)),
    "eyeLookInLeft": (LEFT_EYE, (0.0, -EYE_TURN, 0.0)),
    "eyeLookOutLeft": (LEFT_EYE, (0.0, EYE_TURN, 0.0)),
    "eyeLookUpLeft": (LEFT_EYE, (-EYE_TURN, 0.0, 0.0)),
    "eyeLookDownRight": (RIGHT_EYE, (EYE_TURN, 0.0, 0.0)),
    "eyeLookInRight": (RIGHT_EYE, (0.0, EYE_TURN, 0.0)),
    "eyeLookOutRight": (RIGHT_EYE, (0.0, -EYE_TURN, 0.0)),
    "eyeLookUpRight": (RIGHT_EYE, (-EYE_TURN, 0.0, 0.0)),
}


def convert(source: Path, destination: Path) -> None:
    """Writes the FaceModel of FLAME's pickle, or of the folder it is in. InputError if it is none."""
    store.save(destination, load(source))


def load(source: Path) -> FaceModel:
    """The FaceModel of FLAME's pickle, or of the folder it is in."""
    path = _model_file(Path(source))
    read = pickles.read(path)
    try:
        template = np.asarray(read["v_template"], np.float64)
        shapes = np.moveaxis(np.asarray(read["shapedirs"], np.float64), -1, 0)
        triangles = np.asarray(read["f"]).astype(int)
        weights = np.asarray(read["weights"], np.float64)
        joints = np.asarray(read["J_regressor"] @ template)
        correctives = np.asarray(read["posedirs"], np.float64)
        split = min(SHAPES, len(shapes) * 3 // 4)  # some files hold fewer components, in the same proportion
        turned = [turn(template, joints, weights, correctives, *turning) for turning in TURNS.values()]
        names = (*TURNS, *(f"flame{k:03d}" for k in range(len(shapes) - split)))
        return face_axes.build(
            template=template,
            identity=shapes[:split],
            expression=np.concatenate([turned, shapes[split:]]),
            names=names,
            triangles=triangles,
            landmarks=_landmarks(path.parent, template, triangles),
            region=np.where((weights[:, [LEFT_EYE, RIGHT_EYE]].sum(1) > 0.5)[triangles].all(1), _EYE, 0),
        )
    except InputError:
        raise
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: is no FLAME model ({error} is missing); give generic_model.pkl") from error
    except (ValueError, IndexError) as error:
        raise InputError(f"{path}: is no FLAME model ({error}); give generic_model.pkl") from error


_EYE = REGIONS.index("eye")


def turn(template, joints, weights, correctives, joint: int, vector: Sequence[float]) -> np.ndarray:
    """Offsets [v, 3] when one joint turns: FLAME's pose correctives and linear blend skinning (its eq. 2 and 3)."""
    rotation = Rotation.from_rotvec(vector).as_matrix()
    first = 9 * (joint - 1)  # correctives are per element of the rotations of all joints but the root
    bent = template + correctives[..., first : first + 9] @ (rotation - np.eye(3)).ravel()
    turned = (bent - joints[joint]) @ rotation.T + joints[joint]
    return bent + weights[:, joint, None] * (turned - bent) - template


def _model_file(source):
    if not source.is_dir():
        return source
    for name in ("generic_model.pkl", "female_model.pkl", "male_model.pkl"):
        if (source / name).is_file():
            return source / name
    raise InputError(f"{source}: has no generic_model.pkl; get it from https://flame.is.tue.mpg.de")


def _landmarks(folder, template, triangles):
    """Vertices of the 68 points, from the embedding beside the model if there is one."""
    vertices = LANDMARKS_68 if len(template) > LANDMARKS_68.max() else None
    if (folder / "landmark_embedding.npy").is_file():
        found = pickles.read_npy(folder / "landmark_embedding.npy")
        faces, places = found["full_lmk_faces_idx"], found["full_lmk_bary_coords"]
        vertices = _nearest(triangles, faces, places)
    elif (folder / "flame_static_embedding.pkl").is_file():
        found = pickles.read(folder / "flame_static_embedding.pkl")
        inner = _nearest(triangles, found["lmk_face_idx"], found["lmk_b_coords"])
        vertices = None if vertices is None else np.concatenate([vertices[:17], inner])
    if vertices is None:
        raise InputError(f"{folder}: FLAME of {len(template)} vertices needs landmark_embedding.npy beside it")
    return vertices


def _nearest(triangles, faces, places):
    """For points in triangles, by barycentric coordinates, the corner that weighs most."""
    faces, places = np.asarray(faces, int).reshape(-1), np.asarray(places, float).reshape(-1, 3)
    return triangles[faces, places.argmax(axis=1)]
