"""Speech for self-supervised training and for probing it: pieces of recordings in step with an encoder's frames.

Recordings stay in memory as 16-bit samples at 16 kHz, 115 MB an hour.
"""

import logging
from pathlib import Path

import grain.python as grain
import numpy as np
from jaxtyping import Float32, Int16, Int32

from jaxtalk.audio import load
from jaxtalk.data import clip, corpus, host_rows
from jaxtalk.errors import InputError

log = logging.getLogger("jaxtalk")

RATE = clip.RATE
HOP, REACH = 320, 400  # samples between frames, and of a frame, of wav2vec 2.0 and HuBERT
SUFFIXES = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a"}

Recording = Int16[np.ndarray, "_"]


class SpeechCrops:
    """Pieces of `length` samples, each starting at a random frame of its recording; shorter recordings are left out.

    `targets`: for each recording an integer for each of its frames, which are cut in the same places.
    """

    def __init__(self, recordings: list[Recording], length: int, targets: list[Int32[np.ndarray, "_"]] | None = None):
        self._recordings, self._targets, self._length = recordings, targets, length
        pieces = [len(recording) // length for recording in recordings]
        self._recording = np.repeat(np.arange(len(recordings)), pieces)
        if not len(self._recording):
            raise InputError(f"no recording has {length / RATE:.2f} s of speech; give longer ones or shorter crops")

    def __len__(self) -> int:
        return len(self._recording)

    def crop(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """`speech` [length] in [-1, 1], and `target`, one for each of its frames."""
        number = self._recording[index]
        recording = self._recordings[number]
        first = int(rng.integers((len(recording) - self._length) // HOP + 1))
        piece = recording[first * HOP : first * HOP + self._length].astype(np.float32) / 32768
        if self._targets is None:
            return {"speech": piece}
        frames = (self._length - REACH) // HOP + 1
        return {"speech": piece, "target": self._targets[number][first : first + frames]}

    def stream(self, batch: int, seed: int) -> grain.MapDataset:
        """Endless shuffled batches."""
        order = grain.MapDataset.range(len(self)).seed(seed).shuffle().repeat()
        return host_rows.batches(order.random_map(self.crop), batch)


def of_corpus(directory: Path, split: str = "train") -> list[Recording]:
    """The speech of the synthetic corpus."""
    return [np.asarray(record["speech"], np.int16) for record in corpus.read(directory, split)]


def of_folder(folder: Path) -> list[Recording]:
    """All sound files in a folder and the folders in it, in the order of their names."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise InputError(f"{folder}: holds no recordings ({', '.join(sorted(SUFFIXES))}); give a folder with speech")
    return [np.round(load.load(path) * 32767).astype(np.int16) for path in paths]


def phonemes(record: dict, frames: int) -> Int32[np.ndarray, "t"]:
    """What is spoken in the middle of each frame of a record of the corpus, as places in `phonemes.LETTERS`."""
    seconds = (np.arange(frames) * HOP + REACH / 2) / RATE
    place = np.searchsorted(record["phoneme_start"], seconds, side="right") - 1
    return np.asarray(record["phoneme"], np.int32)[np.clip(place, 0, None)]


def start(record: dict, length: int) -> tuple[Float32[np.ndarray, "n"], int, Int32[np.ndarray, "t"]]:
    """The first `length` samples of a record, zeros where it is shorter; how many it has; and `phonemes` of them."""
    speech = np.asarray(record["speech"], np.float32)[:length] / 32768
    frames = (length - REACH) // HOP + 1
    return np.pad(speech, (0, length - len(speech))), len(speech), phonemes(record, frames)
