"""Face models as files: what `jaxtalk convert ict|flame|bfm SRC DST` writes and every command reads with --model.

BFM's also hold the colours of the skin, which Deep3DFaceRecon is trained with.
"""

import dataclasses
import zipfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jaxtalk.errors import InputError
from jaxtalk.face.model import REGIONS, FaceModel
from jaxtalk.face.recon_geometry import Albedo
from jaxtalk.io import output

_FLOATS = ("template", "identity", "expression", "uv")
_INTEGERS = ("triangles", "uv_triangles", "landmarks", "region")


def save(path: str | Path, model: FaceModel, albedo: Albedo | None = None) -> None:
    """Writes `.npz` with the fields of FaceModel under their names, and the skin's colours where they are known.

    InputError if `path` cannot be written.
    """
    fields = {field.name: np.asarray(getattr(model, field.name)) for field in dataclasses.fields(model)}
    if albedo is not None:
        fields |= {f"albedo_{name}": np.asarray(array) for name, array in albedo._asdict().items()}
    with output.atomic(output.check(path, (".npz",))) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **fields)


def load(path: str | Path) -> FaceModel:
    """Reads what `save` wrote.

    Raises:
        InputError: no such file, no face model, or arrays that do not fit together.
    """
    try:
        with np.load(path, allow_pickle=False) as z:
            fields = {name: np.asarray(z[name], np.float32) for name in _FLOATS}
            fields |= {name: np.asarray(z[name], np.int32) for name in _INTEGERS}
            names = tuple(str(name) for name in z["expression_names"])
    except (OSError, EOFError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: is no face model of jaxtalk ({error}); make one with jaxtalk convert") from error
    try:
        check(fields, names)
    except ValueError as error:
        raise InputError(f"{path}: is a damaged face model ({error}); convert it again") from error
    return FaceModel(**{name: jnp.asarray(array) for name, array in fields.items()}, expression_names=names)


def load_albedo(path: str | Path, model: FaceModel) -> Albedo | None:
    """The skin's colours at the vertices of `model`, which is `load(path)`; None where the file has none.

    InputError if they do not fit.
    """
    vertices = len(model.template)
    with np.load(path, allow_pickle=False) as z:
        if not {"albedo_mean", "albedo_basis"} <= set(z.files):
            return None
        mean, basis = (np.asarray(z[f"albedo_{name}"], np.float32) for name in Albedo._fields)
    whole = np.isfinite(mean).all() and np.isfinite(basis).all()
    if mean.shape != (vertices, 3) or basis.shape != (len(basis), vertices, 3) or not whole:
        raise InputError(f"{path}: is a damaged face model (its colours do not fit its vertices); convert it again")
    return Albedo(jnp.asarray(mean), jnp.asarray(basis))


def check(fields: dict[str, np.ndarray], names: tuple[str, ...]) -> None:
    """ValueError if shapes or indices do not belong together, or a number is not finite."""
    vertices, faces = len(fields["template"]), len(fields["triangles"])
    shapes = {
        "template": (vertices, 3),
        "identity": (len(fields["identity"]), vertices, 3),
        "expression": (len(names), vertices, 3),
        "triangles": (faces, 3),
        "uv": (len(fields["uv"]), 2),
        "uv_triangles": (faces, 3),
        "landmarks": (68,),
        "region": (faces,),
    }
    for name, shape in shapes.items():
        if fields[name].shape != shape:
            raise ValueError(f"{name} has the shape {fields[name].shape} instead of {shape}")
    limits = {"triangles": vertices, "landmarks": vertices, "uv_triangles": len(fields["uv"]), "region": len(REGIONS)}
    for name, limit in limits.items():
        if fields[name].size and not 0 <= fields[name].min() <= fields[name].max() < limit:
            raise ValueError(f"{name} points outside of what there is")
    if not all(np.isfinite(fields[name]).all() for name in _FLOATS):
        raise ValueError("a number is not finite")
