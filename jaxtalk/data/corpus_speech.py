"""The speech of the synthetic corpus, read record by record; only lengths are in memory, which are found out once."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int16, Int64

from jaxtalk.data import corpus, host_shares
from jaxtalk.data.sound_files import KEPT

PART = 10_000  # clips whose lengths are one file


class Spoken:
    """The speech of one clip: `spoken[first:last]` reads its record."""

    def __init__(self, records, index: int, samples: int):
        self._records, self._index, self._samples = records, index, samples

    def __len__(self) -> int:
        return self._samples

    def __getitem__(self, part: slice) -> Int16[np.ndarray, "n"]:
        return np.asarray(self._records[self._index]["speech"], np.int16)[part]


class CorpusSpeech(Sequence):
    """The recordings of a split. `identity` changes with the corpus."""

    def __init__(self, records, samples: Int64[np.ndarray, "n"], identity: str):
        self._records, self._samples, self.identity = records, samples, identity

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Spoken:
        return Spoken(self._records, int(index), int(self._samples[index]))


def find(directory: Path, kept: Path | None = None, split: str = "train") -> CorpusSpeech:
    """The speech of a corpus. Lengths are kept in `kept`, or beside it."""
    directory = Path(directory)
    records = corpus.read(directory, split)
    settings = directory / "corpus.json"
    told = repr((split, len(records), settings.read_text() if settings.is_file() else ""))
    identity = hashlib.sha256(told.encode()).hexdigest()[:16]
    place = host_shares.folder(host_shares.folder(kept or directory / KEPT) / f"lengths-{identity}")
    parts = [place / f"part-{k:05d}.npy" for k in range(-(-len(records) // PART))]

    def write(part: int, path: Path) -> None:
        own = range(part * PART, min((part + 1) * PART, len(records)))
        with path.open("wb") as file:
            np.save(file, np.array([len(records[k]["speech"]) for k in own], np.int64))

    host_shares.make(parts, write, f"lengths of {directory}")
    return CorpusSpeech(records, np.concatenate([np.load(part) for part in parts]), identity)
