"""A folder of networks, a file each, with a manifest of where they are from.

`jaxtalk convert sadtalker` and the training of face-vid2vid write such folders, `jaxtalk talk --weights` reads them.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxtalk.io import output, weights

MANIFEST = "manifest.json"


def save(
    folder: Path, name: str, made: weights.Weights, *, source: str, part: str, used: int, left_out: Sequence[str] = ()
) -> dict[str, Any]:
    """Writes `name`.safetensors; what the manifest says of it: `used` arrays of the `part` of a source."""
    file = f"{name}.safetensors"
    weights.save(folder / file, made)
    return {"file": file, "source": source, "part": part, "arrays_used": used, "left_out": list(left_out)}


def write_manifest(folder: Path, sources: Sequence[Mapping], networks: Mapping[str, Mapping], **more: object) -> None:
    """Writes what `save` returned for each network, the files they are from, and what else is to be known."""
    report = json.dumps({**more, "sources": sources, "networks": networks}, indent=2)
    with output.atomic(folder / MANIFEST) as temporary:
        temporary.write_text(report + "\n", "utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """OSError or ValueError if there is none."""
    return json.loads((folder / MANIFEST).read_text("utf-8"))
