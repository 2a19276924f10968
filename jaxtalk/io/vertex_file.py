"""Vertices of all frames as an .npz or as a folder of .obj files, written frame by frame."""

import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from jaxtalk.io import output, output_folder, provenance


def write_npz(
    path: Path,
    pieces: Iterable[Float[np.ndarray, "_ v 3"]],
    frames: int,
    arrays: Mapping[str, np.ndarray | float],
    made: provenance.Record,
) -> None:
    """`vertices` [frames, v, 3] from pieces, beside other `arrays` and the record; whole or not at all."""
    with output.atomic(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, value in {**arrays, provenance.FIELD: np.array(json.dumps(made))}.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(value), allow_pickle=False)
            archive.writestr(f"{name}.npy", buffer.getvalue(), zipfile.ZIP_DEFLATED)
        with archive.open("vertices.npy", "w", force_zip64=True) as file:
            written = 0
            for piece in pieces:
                if not written:
                    shape = {"descr": "<f4", "fortran_order": False, "shape": (frames, *piece.shape[1:])}
                    np.lib.format.write_array_header_1_0(file, shape)
                file.write(np.ascontiguousarray(piece, "<f4").tobytes())
                written += len(piece)
        if written != frames:
            raise ValueError(f"{written} frames came instead of {frames}")


def write_folder(
    path: Path, pieces: Iterable[Float[np.ndarray, "_ v 3"]], triangles: Int[np.ndarray, "f 3"], made: provenance.Record
) -> None:
    """FOLDER/frame_00000.obj and so on, and the record in FOLDER/provenance.json; whole or not at all."""
    faces = "".join("f {} {} {}\n".format(*face) for face in (np.asarray(triangles) + 1).tolist())
    with output_folder.atomic(path) as folder:
        for number, frame in enumerate(_each(pieces)):
            points = ("v %.6f %.6f %.6f\n" * len(frame)) % tuple(frame.ravel().tolist())
            (folder / f"frame_{number:05d}.obj").write_text("# synthetic, made by jaxtalk\n" + points + faces)
        (folder / "provenance.json").write_text(json.dumps(made, indent=1))


def _each(pieces) -> Iterator[Float[np.ndarray, "v 3"]]:
    for piece in pieces:
        yield from piece
