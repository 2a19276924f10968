"""The meshes that `jaxtalk mesh --template` takes, each as a FaceModel that moves.

.npz              a face model of jaxtalk, or ICT-FaceKit: its own shapes
.glb              its blendshapes by ARKit's names; the file itself is kept, to be written again
.obj .ply         bare, as is a .glb without such shapes: moves only as a mesh of as many vertices does
"""

import dataclasses
import zipfile
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxtalk.convert import face_axes, ict, obj
from jaxtalk.errors import InputError
from jaxtalk.face import arkit, builtin, store
from jaxtalk.face.model import FaceModel
from jaxtalk.io import container, glb_rig

SUFFIXES = (".npz", ".glb", ".obj", ".ply")


class Template(NamedTuple):
    path: Path | None  # None: the built-in face
    model: FaceModel
    scene: glb_rig.Scene | None = None  # of a .glb with blendshapes
    known: bool = True  # a face of ours: metres, landmarks, a head that turns

    @property
    def named(self) -> bool:
        """Whether ARKit's names move it."""
        return bool(set(self.model.expression_names) & set(arkit.NAMES))

    @property
    def bare(self) -> bool:
        return not self.model.expression_names


def load(path: Path | None) -> Template:
    """The template of a file; the built-in face without one.

    Raises:
        InputError: no file, another type, no mesh in it, or a broken one.
    """
    if path is None:
        return Template(None, builtin.model())
    container.check(path)
    match path.suffix.lower():
        case ".npz":
            return Template(path, _face(path))
        case ".glb":
            scene = glb_rig.read(path)
            model = _model(path, scene.points, scene.triangles, scene.shapes)
            return Template(path, model, scene if scene.shapes else None, known=False)
        case ".obj":
            mesh = obj.read(path)
            return Template(path, bare(path, mesh.vertices, mesh.triangles), known=False)
        case ".ply":
            return Template(path, bare(path, *_trimesh(path)), known=False)
    raise InputError(f"{path}: is no mesh that can be read; give {', '.join(SUFFIXES)}")


def bare(path: Path, points: Float[np.ndarray, "v 3"], triangles: Int[np.ndarray, "f 3"]) -> FaceModel:
    """A mesh without shapes. InputError if it is broken; `path` is for that."""
    return _model(path, points, triangles, {})


def moving(model: FaceModel, shapes: Float[np.ndarray, "e v 3"], names: tuple[str, ...] | None = None) -> FaceModel:
    """The same mesh with other shapes; without names they are numbered."""
    names = tuple(f"motion_{k:02d}" for k in range(len(shapes))) if names is None else names
    return dataclasses.replace(model, expression=jnp.asarray(shapes, jnp.float32), expression_names=names)


def as_builtin(template: Template) -> Template:
    """A bare mesh of the built-in face's topology with its shapes, in the mesh's own unit."""
    ours = builtin.model()
    spread = float(np.std(np.asarray(template.model.template)) / np.std(np.asarray(ours.template)))
    unit = 10.0 ** round(np.log10(max(spread, 1e-9)))  # millimetres, centimetres, metres
    return template._replace(model=moving(template.model, np.asarray(ours.expression) * unit, ours.expression_names))


def _face(path: Path) -> FaceModel:
    try:
        with np.load(path, allow_pickle=False) as z:
            published = "neutral" in z.files
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: is no face model ({error}); make one with jaxtalk convert") from error
    return ict.load(path) if published else store.load(path)


def _model(path, points, triangles, shapes: dict) -> FaceModel:
    points, triangles = np.asarray(points, np.float32), np.asarray(triangles, np.int32)
    if not len(points) or not len(triangles):
        raise InputError(f"{path}: holds {len(points)} vertices and {len(triangles)} faces; export the mesh again")
    if not all(np.isfinite(each).all() for each in (points, *shapes.values())):
        raise InputError(f"{path}: has coordinates that are no numbers; export the mesh again")
    if np.ptp(points, axis=0).max() <= 0:
        raise InputError(f"{path}: all its vertices are in one place; export the mesh again")
    moves = np.stack(list(shapes.values())) if shapes else np.zeros((0, *points.shape), np.float32)
    return FaceModel(
        template=jnp.asarray(points),
        identity=jnp.zeros((0, *points.shape)),
        expression=jnp.asarray(moves, jnp.float32),
        triangles=jnp.asarray(triangles),
        uv=jnp.asarray(face_axes.around_the_head(points), jnp.float32),
        uv_triangles=jnp.asarray(triangles),
        landmarks=jnp.zeros(68, jnp.int32),
        region=jnp.zeros(len(triangles), jnp.int32),
        expression_names=tuple(shapes),
    )


def _trimesh(path: Path):
    try:
        import trimesh
    except ImportError as error:
        raise InputError(f"{path}: needs the extra jaxtalk[mesh]; install it or give an .obj or .glb") from error
    try:
        mesh = trimesh.load_mesh(path, process=False)
        return np.asarray(mesh.vertices), np.asarray(mesh.faces)
    except Exception as error:  # its readers raise whatever they run into
        raise InputError(f"{path}: is no mesh that can be read ({str(error)[:100]}); export it again") from error
