"""Windows of consecutive frames out of prepared records, in random access; several sets mixed by weight.

    lengths = windows.lengths(folder, "train", records, "landmarks")
    people = Windows(records, lengths, 25, windows.talking)
    batches = windows.stream([(people, 0.7), (others, 0.3)], batch=16, seed=0)

Window k is always the same frames of the same record, so batches depend on the seed alone.
"""

import hashlib
import io
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import grain
import numpy as np
from jaxtyping import Int
from PIL import Image

from jaxtalk.data import host_rows
from jaxtalk.data.clip import RATE, SAMPLES_PER_FRAME
from jaxtalk.errors import InputError
from jaxtalk.io import output

log = logging.getLogger("jaxtalk")

Cut = Callable[[dict, int, int], dict[str, np.ndarray]]  # record, first frame, number of frames -> example


class Windows:
    """Windows of `frames` frames, one beginning at every `stride`-th frame of each record that reaches far enough.

    The end of a record is left out where no window fits; records shorter than a window are left out.
    """

    def __init__(
        self, records: grain.MapDataset, lengths: Int[np.ndarray, "n"], frames: int, cut: Cut, stride: int | None = None
    ):
        """`lengths`: frames of each record. `stride`: as many as a window has, if not given."""
        self._records, self._frames, self._cut, self._stride = records, frames, cut, stride or frames
        counts = np.maximum(0, (lengths - frames) // self._stride + 1)
        self._ends = np.cumsum(counts)  # of each record's windows
        if not counts.sum():
            raise InputError(f"no record has {frames} frames; prepare longer ones or take shorter windows")

    def __len__(self) -> int:
        return int(self._ends[-1])

    def place(self, index: int) -> tuple[int, int]:
        """Record and first frame of a window."""
        record = int(np.searchsorted(self._ends, index, side="right"))
        before = int(self._ends[record - 1]) if record else 0
        return record, (index - before) * self._stride

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """The example of a window."""
        record, first = self.place(int(index))
        return self._cut(self._records[record], first, self._frames)


def stream(sources: Sequence[tuple[Windows, float]], batch: int, seed: int) -> grain.MapDataset:
    """Endless batches in which each source has its share; each source in its own shuffled order."""
    parts = [
        grain.MapDataset.range(len(source)).seed(seed + i).shuffle().repeat().map(source.__getitem__)
        for i, (source, _) in enumerate(sources)
    ]
    return host_rows.batches(grain.MapDataset.mix(parts, [share for _, share in sources]), batch)


def lengths(directory: Path, split: str, records: grain.MapDataset, field: str) -> Int[np.ndarray, "n"]:
    """Frames of each record, as many as `field` has rows. Read once, then kept in `directory/lengths-SPLIT.npz`."""
    path, told = Path(directory) / f"lengths-{split}.npz", _summary(Path(directory))
    try:
        with np.load(path, allow_pickle=False) as file:
            if len(file["lengths"]) == len(records) and file["of"] == told:
                return file["lengths"]
    except (OSError, EOFError, KeyError, ValueError):
        pass
    counted = np.array([len(records[index][field]) for index in range(len(records))], np.int64)
    try:
        with output.atomic(path) as temporary, temporary.open("wb") as file:
            np.savez(file, lengths=counted, of=told)
    except InputError as error:
        log.warning("lengths of records are read anew each time: %s", error)
    return counted


def _summary(directory: Path) -> str:
    """Something that changes when records are added."""
    path = directory / "summary.json"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def talking(record: dict, first: int, count: int) -> dict[str, np.ndarray]:
    """Of a piece of `talking_videos`, or of the corpus with frames: pictures [t s s 3] uint8, and what is known."""
    part = slice(first, first + count)
    pictures = [np.asarray(Image.open(io.BytesIO(frame)).convert("RGB")) for frame in record["frames"][part]]
    known = {name: record[name][part] for name in ("landmarks", "expression", "rotation", "translation")}
    speech = record["speech"][first * SAMPLES_PER_FRAME : (first + count) * SAMPLES_PER_FRAME]
    return {"frames": np.stack(pictures), "speech": speech} | known


def meshes(record: dict, first: int, count: int) -> dict[str, np.ndarray]:
    """Of a record of `mesh_clips`: vertices [t v 3], the template, and the sound from the first frame on, int16."""
    start = round(first * RATE / float(record["fps"]))
    samples = round(count * RATE / float(record["fps"]))
    return {
        "vertices": record["vertices"][first : first + count],
        "template": record["template"],
        "speech": record["speech"][start : start + samples],
    }
