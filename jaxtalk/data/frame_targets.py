"""An integer for each frame of each recording, worked out once and kept on disk: what HuBERT learns to say.

    recordings --a few frames of many stretches, `sample`--> rows, from which someone finds clusters
    recordings --stretches of at most 30 s, `label`--> FOLDER/part-*.i16 --> FrameTargets[k][first:last]

A part has ten hours of recordings, two bytes a frame (360 kB an hour). Processes share the parts.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int16, Int32, Int64

from jaxtalk.data import host_shares
from jaxtalk.data.speech_crops import HOP, REACH, frames

STRETCH = 1499  # frames: up to 30 s are described at once
PART = 1_800_000  # frames: ten hours
PICKED = 2000  # stretches that a sample is taken from, if there are so many

Describe = Callable[[Int16[np.ndarray, "n"]], Float32[np.ndarray, "t d"]]


class Targets:
    """Those of one recording: `targets[first:last]` reads these frames [t], int32."""

    def __init__(self, path: Path, start: int, count: int):
        self._path, self._start, self._count = path, start, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, part: slice) -> Int32[np.ndarray, "t"]:
        first, last, _ = part.indices(self._count)
        count = max(0, last - first)
        return np.fromfile(self._path, "<i2", count, offset=2 * (self._start + first)).astype(np.int32)


class FrameTargets(Sequence):
    """Those of all recordings, in their order."""

    def __init__(self, folder: Path, counts: Int64[np.ndarray, "n"]):
        """`counts`: frames of each recording."""
        ends = np.cumsum(counts)
        self._counts, begins = counts, ends - counts
        self.part = begins // PART  # of each recording; some may be empty
        first = begins[np.searchsorted(self.part, self.part)]  # of all frames in the recording's part
        self._start = begins - first
        self.paths = [folder / f"part-{k:05d}.i16" for k in range(int(self.part[-1]) + 1)]

    def __len__(self) -> int:
        return len(self._counts)

    def __getitem__(self, index: int) -> Targets:
        return Targets(self.paths[self.part[index]], int(self._start[index]), int(self._counts[index]))


def label(folder: Path, recordings: Sequence, name: Callable[[Int16[np.ndarray, "n"]], np.ndarray]) -> FrameTargets:
    """Targets of all recordings; those that are not in `folder` yet are worked out.

    `name`: from up to `STRETCH` frames of sound to an integer below 32768 for each.
    """
    found = FrameTargets(folder, np.array([frames(len(recording)) for recording in recordings], np.int64))

    def write(part: int, path: Path) -> None:
        with path.open("wb") as file:
            for k in np.flatnonzero(found.part == part):
                for piece in _stretches(recordings[int(k)]):
                    np.asarray(name(piece)).astype("<i2").tofile(file)

    host_shares.make(found.paths, write, "the targets")
    return found


def sample(recordings: Sequence, describe: Describe, count: int, seed: int) -> Float32[np.ndarray, "n d"]:
    """Features of up to `count` frames: as many of each of up to `PICKED` stretches of all recordings, at random."""
    rng = np.random.default_rng(seed)
    owners = np.repeat(np.arange(len(recordings)), [_cuts(len(recording)) for recording in recordings])
    picked = rng.permutation(len(owners))[:PICKED]
    each = -(-count // len(picked))
    rows = []
    for stretch in picked:
        recording = recordings[int(owners[stretch])]
        number = stretch - np.searchsorted(owners, owners[stretch])
        described = describe(_stretch(recording, int(number)))
        rows.append(described[rng.permutation(len(described))[:each]])
    return np.concatenate(rows)[:count]


def _cuts(samples: int) -> int:
    """How many stretches a recording is cut into, all nearly as long as each other: none is a few frames alone."""
    return -(-frames(samples) // STRETCH)


def _stretch(recording, number: int) -> Int16[np.ndarray, "n"]:
    whole, cuts = frames(len(recording)), _cuts(len(recording))
    first, last = whole * number // cuts, whole * (number + 1) // cuts
    return recording[first * HOP : (last - 1) * HOP + REACH]


def _stretches(recording) -> Iterator[Int16[np.ndarray, "n"]]:
    return (_stretch(recording, number) for number in range(_cuts(len(recording))))
