"""Every file that jaxtalk writes says that it is synthetic, and what it was made from.

The record goes into the file (mp4, mov, webm: the comment tag; glb: asset.extras; npz: a field) and, for every type,
into a JSON file beside it, `out.mp4.json`, with the SHA-256 of the output. This helps the honest: both are stripped by
one command or one upload, so a file without a record is not thereby a recording.
"""

import dataclasses
import hashlib
import io
import json
import os
import shlex
import struct
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxtalk import __version__
from jaxtalk.errors import InputError
from jaxtalk.io import container, output

OPENING = "Synthetic media, made by jaxtalk; not a recording. "  # the comment tag: this, then the record as JSON
FIELD = "provenance"  # its name in glb extras and npz

Record = dict[str, Any]  # JSON values


def record(options: Any, weights: Mapping[str, str | Path] | None = None) -> Record:
    """What there is to say about a run: version, command, inputs and weights with their SHA-256, other options.

    Args:
        options: a dataclass instance; each field that is an existing file counts as an input, each other field with
            another value than its default as a setting. Folders are left out of all names.
        weights: names of networks and the files that hold them.
    """
    inputs, settings = {}, {}
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if isinstance(value, Path) and value.is_file():
            inputs[field.name] = {"name": value.name, "sha256": sha256(value)}
        elif value != field.default and not _has_path(value):
            settings[field.name] = value if isinstance(value, str | int | float | bool | None) else str(value)
    return {
        "synthetic": True,
        "generator": f"jaxtalk {__version__}",
        "command": shlex.join([Path(argument).name for argument in sys.argv]),
        "inputs": inputs,
        "weights": {name: {"name": Path(path).name, "sha256": sha256(path)} for name, path in (weights or {}).items()},
        "settings": settings,
    }


def _has_path(value) -> bool:
    return isinstance(value, Path) or (isinstance(value, tuple) and any(isinstance(item, Path) for item in value))


def sha256(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def comment(made: Record) -> str:
    """The record as a container's comment tag."""
    return OPENING + json.dumps(made, ensure_ascii=True, sort_keys=True)


def stamp_npz(path: str | Path, made: Record) -> None:
    """Adds the record to an .npz as the field `provenance` (a string), whole or not at all."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array(json.dumps(made)), allow_pickle=False)
    content = Path(path).read_bytes()
    with output.atomic(path) as temporary:
        temporary.write_bytes(content)
        with zipfile.ZipFile(temporary, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{FIELD}.npy", buffer.getvalue())


def sidecar(target: str | Path, made: Record) -> Path:
    """Writes the record and the SHA-256 of `target` to `target`.json, and returns that path."""
    path = Path(f"{os.fspath(target)}.json")
    with output.atomic(path) as temporary:
        temporary.write_text(
            json.dumps({**made, "output": {"name": Path(target).name, "sha256": sha256(target)}}, indent=1)
        )
    return path


class Found(NamedTuple):
    """What a file and its sidecar say."""

    inside: Record | None
    beside: Record | None
    unchanged: bool | None  # whether the file is the one that the sidecar was written for; None without a sidecar


def verify(path: str | Path) -> Found:
    """Reads the record back. InputError if there is no such file; a file without a record gives None."""
    path = container.check(path)
    try:
        inside = _inside(path)
    except (InputError, OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, struct.error):
        inside = None  # no file of its type, or no record in it
    if not isinstance(inside, dict):
        inside = None
    try:
        beside = json.loads(Path(f"{path}.json").read_text())
        unchanged = beside["output"]["sha256"] == sha256(path)
    except (OSError, ValueError, KeyError, TypeError):
        beside = unchanged = None
    return Found(inside, beside, unchanged)


def _inside(path: Path) -> Record | None:
    match path.suffix.lower():
        case ".mp4" | ".mov" | ".webm":
            with container.reading(path, "video") as media:
                tags = {name.lower(): value for name, value in media.metadata.items()}  # WebM: COMMENT
            text = tags.get("comment", "")
            return json.loads(text.removeprefix(OPENING)) if text.startswith(OPENING) else None
        case ".glb":
            with open(path, "rb") as file:
                _, _, _, length, kind = struct.unpack("<4sIII4s", file.read(20))
                return json.loads(file.read(length))["asset"]["extras"][FIELD] if kind == b"JSON" else None
        case ".npz":
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
                return json.loads(str(arrays[FIELD]))
    return None


def describe(path: str | Path) -> str:
    """`verify` in words, for the command line."""
    found = verify(path)
    made = found.inside or found.beside
    if made is None:
        return f"{path}: says nothing about how it was made, which proves nothing: metadata is easily stripped"
    where = [place for place, one in (("in the file", found.inside), ("beside it", found.beside)) if one]
    lines = [f"{path}: synthetic, by {made.get('generator')} (record {' and '.join(where)})"]
    if found.unchanged is not None:
        lines.append("the file is the one that was written" if found.unchanged else "the file was changed since")
    for group, word in (("inputs", "input"), ("weights", "weights")):
        for role, one in made.get(group, {}).items():
            lines.append(f"{word} {role}: {one.get('name')} sha256 {one.get('sha256')}")
    return "\n".join(lines)
