"""ICT-FaceKit (Li et al., CVPR 2020; https://github.com/ICT-VGL/ICT-FaceKit, MIT) to a FaceModel.

The source is a clone of the repository, where FaceXModel/ has one OBJ for the neutral face and for each identity and
expression shape, or one `.npz` with all of them (`neutral` and offsets `identity`, `expression` in centimetres).

ICT names shapes as ARKit does but for `_L` and `_R`; two are split where ARKit's are whole (browInnerUp, cheekPuff) and
are added up here, and shapes that ARKit lacks are left out. ICT has no tongueOut. Gums and tongue are one surface and
become `mouth`. The translucent shells in front of the eyes (tears, blends, occlusion) lose their triangles: an opaque
renderer would hide the eyes behind them. The vertices stay, so that ICT's indices hold.
"""

import json
import zipfile
from pathlib import Path

import numpy as np

from jaxtalk.convert import face_axes, obj
from jaxtalk.errors import InputError
from jaxtalk.face import arkit, store
from jaxtalk.face.mediapipe import ICT_VERTICES_68
from jaxtalk.face.model import REGIONS, FaceModel

METRES = 0.01
FULL = 26719  # vertices of the published mesh, for which the ranges below hold (README of ICT-FaceKit)
# First vertex of each part, in order, and its region; None loses its triangles.
PARTS = {
    0: "skin",
    11248: "mouth",  # the socket
    13294: "other",  # eye sockets
    14062: "mouth",  # gums and tongue
    17039: "teeth_upper",
    19247: "teeth_lower",
    21451: "eye",
    24591: None,  # lacrimal fluid, eye blend, eye occlusion
    25351: "hair",  # lashes
}


def convert(source: Path, destination: Path) -> None:
    """Writes the FaceModel of `source`, a clone or an `.npz`. InputError if it is neither."""
    store.save(destination, load(source))


def load(source: Path) -> FaceModel:
    """The FaceModel of a clone of ICT-FaceKit or of one `.npz`."""
    read = _clone(Path(source)) if Path(source).is_dir() else _npz(Path(source))
    expression, names = arkit_shapes(read["expression_names"], read["expression"])
    try:
        region, keep = _regions(read["triangles"], len(read["neutral"]))
        return face_axes.build(
            template=read["neutral"] * METRES,
            identity=read["identity"] * METRES,
            expression=expression * METRES,
            names=names,
            triangles=read["triangles"][keep],
            # Where our trackers and networks see the 68 points; ICT's own differ by 0.02 to 0.05 of the eye distance.
            landmarks=ICT_VERTICES_68 if len(read["neutral"]) == FULL else read["landmarks"],
            region=region[keep],
            uv=read["uv"] % 1.0,  # ICT keeps each material in its own tile of the texture plane
            uv_triangles=read["triangle_uv"][keep],
        )
    except (ValueError, IndexError) as error:
        raise InputError(f"{source}: is a damaged ICT-FaceKit ({error}); clone it again") from error


def arkit_shapes(names: list[str], shapes: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """ARKit's shapes in ARKit's order, those there are, from ICT's names and shapes."""
    found: dict[str, np.ndarray] = {}
    for name, shape in zip(names, np.asarray(shapes, np.float32), strict=True):
        stem, side = (name[:-2], name[-1]) if name[-2:] in ("_L", "_R") else (name, "")
        ours = next((n for n in (stem + {"L": "Left", "R": "Right", "": ""}[side], stem) if n in arkit.INDEX), None)
        if ours:
            found[ours] = found.get(ours, 0) + shape
    ordered = tuple(name for name in arkit.NAMES if name in found)
    if not ordered:
        raise InputError(f"no ARKit shape among {', '.join(names[:4])} ...; give ICT-FaceKit's expression shapes")
    return np.stack([found[name] for name in ordered]), ordered


def _regions(triangles, vertices):
    """Region of each triangle, and which to keep."""
    if vertices != FULL:
        return np.zeros(len(triangles), int), np.ones(len(triangles), bool)
    part = np.searchsorted(list(PARTS), triangles.min(axis=1), side="right") - 1
    index = np.array([-1 if region is None else REGIONS.index(region) for region in PARTS.values()])
    return index[part], index[part] >= 0


def _clone(folder):
    model = folder / "FaceXModel" if (folder / "FaceXModel").is_dir() else folder
    indices = model / "vertex_indices.json"
    try:
        listed = json.loads(indices.read_text("utf-8"))
        landmarks, names = np.array(listed["idx_to_landmark_verts"], int), list(listed["expressions"])
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{indices}: cannot be read ({error}); give a clone of ICT-FaceKit") from error
    neutral = obj.read(model / "generic_neutral_mesh.obj")
    identities = sorted(model.glob("identity[0-9]*.obj"))
    if not identities:
        raise InputError(f"{model}: has no identity000.obj; give a clone of ICT-FaceKit")

    def offset(path):
        vertices = obj.read_vertices(path)
        if vertices.shape != neutral.vertices.shape:
            raise InputError(f"{path}: has {len(vertices)} vertices instead of {len(neutral.vertices)}; clone it again")
        return vertices - neutral.vertices

    return {
        "neutral": neutral.vertices,
        "identity": np.stack([offset(path) for path in identities]),
        "expression": np.stack([offset(model / f"{name}.obj") for name in names]),
        "expression_names": names,
        "triangles": neutral.triangles,
        "triangle_uv": neutral.uv_triangles,
        "uv": neutral.uv,
        "landmarks": landmarks,
    }


def _npz(path):
    try:
        with np.load(path, allow_pickle=False) as z:
            arrays = ("neutral", "identity", "expression", "triangles", "triangle_uv", "uv")
            read = {name: z[name] for name in arrays}
            read["expression_names"] = [str(name) for name in z["expression_names"]]
            read["landmarks"] = z["idx_to_landmark_verts"]
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: is no ICT-FaceKit ({error}); give a clone of the repository or its npz") from error
    return {k: v.astype(np.float32) if getattr(v, "dtype", None) == np.float16 else v for k, v in read.items()}
