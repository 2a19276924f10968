"""Seconds of speech at a stretch for training: log-mel, and what the mouth does at every other column."""

import grain.python as grain
import numpy as np
from jaxtyping import Float, Float32, Int32

from jaxtalk.audio import mel
from jaxtalk.audio.speech_windows import SPACING
from jaxtalk.data import host_rows
from jaxtalk.data.clips import Recording

_PACE = 0.18  # natural logarithm of the largest change of pace
_JITTER = 0.8  # columns by which the picture may be off, so that trackers' and cameras' lags are not learnt
_OUTSIDE = 10  # columns by which a stretch may begin before a recording or end after it


class SpeechSequences:
    """Stretches of `columns` columns of `recordings`, whose sound and movement are kept in memory."""

    def __init__(self, recordings: list[Recording], columns: int, tracked: bool = False):
        """`tracked`: the movement is a tracker's, of which only the lips' course over time is sure."""
        self._columns, self._tracked = columns, np.float32(tracked)
        self._mel = [r.mel for r in recordings]
        self._seen = [on_columns(r) for r in recordings]
        self._known = [r.known.astype(np.float32) for r in recordings]
        self._owner = np.repeat(np.arange(len(recordings)), [-(-len(r.mel) // columns) for r in recordings])

    def __len__(self) -> int:
        return len(self._owner)

    def stretch(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """`mel` [columns, 80] at a random place and pace; for every other column expression, opening and phoneme.

        `mask` is 0 where the stretch lies outside of its recording.
        """
        owner = self._owner[index]
        sound, (expression, opening, phoneme) = self._mel[owner], self._seen[owner]
        length, pace = len(sound), np.exp(rng.uniform(-_PACE, _PACE))
        room = length - self._columns * pace
        start = rng.uniform(min(0, room) - _OUTSIDE, max(0, room) + _OUTSIDE)
        place = np.rint(start + np.arange(self._columns) * pace).astype(int)
        late = rng.uniform(-_JITTER, _JITTER)
        seen = np.rint(start + np.arange(0, self._columns, SPACING) * pace + late).astype(int).clip(0, length - 1)
        return {
            "mel": sound[place.clip(0, length - 1)],
            "expression": expression[seen],
            "opening": opening[seen],
            "phoneme": phoneme[seen],
            "known": self._known[owner],
            "mask": ((place >= 0) & (place < length))[::SPACING].astype(np.float32),
            "tracked": self._tracked,
        }


def on_columns(
    recording: Recording,
) -> tuple[Float32[np.ndarray, "t 52"], Float32[np.ndarray, "t"], Int32[np.ndarray, "t"]]:
    """Expression, opening and phoneme at each mel column, between frames by straight lines; the ends go on."""
    seconds = np.arange(len(recording.mel)) / mel.COLUMNS_PER_SECOND
    last = len(recording.expression) - 1
    frame = ((seconds - recording.lead) * recording.fps).clip(0, last)
    low = frame.astype(int)
    high, share = np.minimum(low + 1, last), (frame - low).astype(np.float32)

    def between(values: Float[np.ndarray, "n *e"]):
        part = share.reshape(-1, *[1] * (values.ndim - 1))
        return (values[low] * (1 - part) + values[high] * part).astype(np.float32)

    return between(recording.expression), between(recording.opening), recording.phoneme[np.rint(frame).astype(int)]


def stream(sources: list[tuple[SpeechSequences, float]], batch: int, seed: int) -> grain.MapDataset:
    """Endless batches in which each source has its share; each source in its own shuffled order."""
    return host_rows.mixed([(len(source), source.stretch, share) for source, share in sources], batch, seed)
