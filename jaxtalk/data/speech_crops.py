"""Speech for self-supervised training and for probing it: pieces of recordings in step with an encoder's frames.

A recording is anything that has a length in samples at 16 kHz and gives 16-bit integers for a slice: an array, or a
file of which only the slice is read (`data/sound_files.py`, `data/corpus_speech.py`). Targets are like that, by frame.
"""

from collections.abc import Sequence

import grain.python as grain
import numpy as np
from jaxtyping import Float32, Int, Int32

from jaxtalk.data import clip, host_rows
from jaxtalk.errors import InputError

RATE = clip.RATE
HOP, REACH = 320, 400  # samples between frames, and of a frame, of wav2vec 2.0 and HuBERT


def frames(samples: int) -> int:
    """How many frames fit into so many samples."""
    return max(0, (samples - REACH) // HOP + 1)


class SpeechCrops:
    """Pieces of `length` samples, each starting at a random frame of its recording.

    Recordings shorter than that are joined with the next short ones until there is enough for a piece. Where two meet,
    the first gives whole hops only, so frames stay in step; its last frame, of which 80 samples are the other's, keeps
    its target.
    """

    def __init__(self, recordings: Sequence, length: int, targets: Sequence | None = None):
        """`targets`: for each recording an integer for each of its frames, which are cut in the same places."""
        self._recordings, self._targets, self._length = recordings, targets, length
        self._samples = np.array([len(recording) for recording in recordings], np.int64)
        self._members, self._ends = _joined(self._samples, length)
        pieces = [self._span(self._of(group)) // length for group in range(len(self._ends))]
        self._group = np.repeat(np.arange(len(pieces)), np.array(pieces, np.int64))
        if not len(self._group):
            raise InputError(
                f"all recordings together have less than {length / RATE:.2f} s of speech; give more or shorter crops"
            )

    def __len__(self) -> int:
        return len(self._group)

    def crop(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """`speech` [length] in [-1, 1], and `target`, one for each of its frames."""
        members = self._of(int(self._group[index]))
        first = int(rng.integers((self._span(members) - self._length) // HOP + 1))
        piece = self._cut(self._recordings, members, HOP, first * HOP, self._length).astype(np.float32) / 32768
        if self._targets is None:
            return {"speech": piece}
        return {"speech": piece, "target": self._cut(self._targets, members, 1, first, frames(self._length))}

    def stream(self, batch: int, seed: int) -> grain.MapDataset:
        """Endless shuffled batches."""
        order = grain.MapDataset.range(len(self)).seed(seed).shuffle().repeat()
        return host_rows.batches(order.random_map(self.crop), batch)

    def _of(self, group: int) -> Int[np.ndarray, "m"]:
        """The recordings of a group."""
        return self._members[self._ends[group - 1] if group else 0 : self._ends[group]]

    def _span(self, members: Int[np.ndarray, "m"]) -> int:
        """Samples of joined recordings."""
        return int((self._samples[members[:-1]] // HOP * HOP).sum() + self._samples[members[-1]])

    def _cut(self, rows: Sequence, members, hop: int, first: int, count: int) -> np.ndarray:
        """`count` values from `first` on of joined `rows`, which have `hop` values a hop."""
        found, start = [], 0
        for number in members.tolist():
            row, own = rows[number], int(self._samples[number] // HOP) * hop
            low, high = max(0, first - start), first + count - start
            if number != members[-1]:
                high = min(high, own)
            if low < high:
                found.append(part := row[low:high])
                if len(part) < high - low:  # a last frame that is not the recording's alone
                    found.append(row[-1:])
            start += own
        return found[0] if len(found) == 1 else np.concatenate(found)


def _joined(samples: Int[np.ndarray, "n"], length: int) -> tuple[Int[np.ndarray, "m"], Int[np.ndarray, "g"]]:
    """Which recordings give pieces together: their numbers, group by group, and where each group ends.

    Those that are long enough stay alone. At the end of the short ones, too few for a piece are left out.
    """
    alone, short = np.flatnonzero(samples >= length), np.flatnonzero((samples < length) & (samples >= REACH))
    ends, whole = list(range(1, len(alone) + 1)), 0
    for place, own in enumerate(samples[short].tolist(), len(alone) + 1):
        if whole + own >= length:
            ends.append(place)
            whole = 0
        else:
            whole += own // HOP * HOP
    return np.concatenate([alone, short]), np.array(ends, np.int64)


def phonemes(record: dict, count: int) -> Int32[np.ndarray, "t"]:
    """What is spoken in the middle of each frame of a record of the corpus, as places in `phonemes.LETTERS`."""
    seconds = (np.arange(count) * HOP + REACH / 2) / RATE
    place = np.searchsorted(record["phoneme_start"], seconds, side="right") - 1
    return np.asarray(record["phoneme"], np.int32)[np.clip(place, 0, None)]


def start(record: dict, length: int) -> tuple[Float32[np.ndarray, "n"], int, Int32[np.ndarray, "t"]]:
    """The first `length` samples of a record, zeros where it is shorter; how many it has; and `phonemes` of them."""
    speech = np.asarray(record["speech"], np.float32)[:length] / 32768
    return np.pad(speech, (0, length - len(speech))), len(speech), phonemes(record, frames(length))
