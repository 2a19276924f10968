"""Wavefront OBJ: vertices, texture coordinates and faces, as far as published face models use them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxtalk.errors import InputError


class Mesh(NamedTuple):
    """A mesh; faces with more corners are cut into fans of triangles."""

    vertices: Float[np.ndarray, "v 3"]
    triangles: Int[np.ndarray, "f 3"]
    uv: Float[np.ndarray, "u 2"]  # empty if the file has none
    uv_triangles: Int[np.ndarray, "f 3"]


def read(path: str | Path) -> Mesh:
    """Reads an OBJ. InputError if there is none or a line is wrong."""
    lines = _lines(path)
    try:
        vertices, uv = _numbers(lines, "v ", 3), _numbers(lines, "vt ", 2)
        corners, textured = [], []
        for line in lines:
            if line.startswith("f "):
                face = [corner.split("/") for corner in line.split()[1:]]
                place = [int(corner[0]) for corner in face]
                texture = [int(corner[1]) if len(corner) > 1 and corner[1] else 1 for corner in face]
                for k in range(1, len(face) - 1):
                    corners.append((place[0], place[k], place[k + 1]))
                    textured.append((texture[0], texture[k], texture[k + 1]))
        triangles = _indices(corners, len(vertices))
        return Mesh(vertices, triangles, uv, _indices(textured, len(uv)) if len(uv) else np.zeros_like(triangles))
    except (ValueError, IndexError) as error:
        raise InputError(f"{path}: is no proper OBJ ({error}); get it again") from error


def read_vertices(path: str | Path) -> Float[np.ndarray, "v 3"]:
    """Only the vertices, for shapes that share the faces of another file."""
    try:
        return _numbers(_lines(path), "v ", 3)
    except ValueError as error:
        raise InputError(f"{path}: is no proper OBJ ({error}); get it again") from error


def _lines(path):
    try:
        return Path(path).read_text("utf-8", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the folder") from error


def _numbers(lines, prefix, count):
    rows = [line.split()[1 : 1 + count] for line in lines if line.startswith(prefix)]
    values = np.array(rows, np.float64).reshape(-1, count)
    if not np.isfinite(values).all():
        raise ValueError("a coordinate is not finite")
    return values


def _indices(corners, count):
    indices = np.array(corners, int).reshape(-1, 3)
    indices = np.where(indices < 0, indices + count, indices - 1)  # negative ones count from the end
    if indices.size and not 0 <= indices.min() <= indices.max() < count:
        raise ValueError("a face names a vertex that is not there")
    return indices
