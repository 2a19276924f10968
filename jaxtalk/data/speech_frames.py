"""Single video frames of many recordings for training: a window of sound and what the mouth does in its middle."""

import grain.python as grain
import numpy as np

from jaxtalk.audio import speech_windows
from jaxtalk.data.clips import Recording

_JITTER = 0.01  # seconds by which a window may be off, so that trackers' and cameras' lags are not learnt
_PACE = 0.18  # natural logarithm of the largest change of pace


class SpeechFrames:
    """All frames of `recordings`; keeps their sound in memory."""

    def __init__(self, recordings: list[Recording]):
        self._mel = np.concatenate([r.mel for r in recordings])
        lengths = np.array([len(r.mel) for r in recordings])
        frames = np.array([len(r.expression) for r in recordings])
        self._first = np.repeat(np.cumsum(lengths) - lengths, frames)
        self._last = np.repeat(np.cumsum(lengths) - 1, frames)
        self._seconds = np.concatenate([r.seconds for r in recordings])
        self._expression = np.concatenate([r.expression for r in recordings])
        self._known = np.repeat(np.stack([r.known for r in recordings]), frames, axis=0).astype(np.float32)
        self._opening = np.concatenate([r.opening for r in recordings])
        self._phoneme = np.concatenate([r.phoneme for r in recordings])

    def __len__(self) -> int:
        return len(self._seconds)

    def frame(self, index: int, rng: np.random.Generator | None = None) -> dict[str, np.ndarray]:
        """One frame; with `rng` at a slightly other pace and moment."""
        jitter, pace = (
            (0.0, 1.0) if rng is None else (rng.uniform(-_JITTER, _JITTER), np.exp(rng.uniform(-_PACE, _PACE)))
        )
        columns = speech_windows.columns(self._seconds[index : index + 1] + jitter, pace)[0] + self._first[index]
        return {
            "window": self._mel[np.clip(columns, self._first[index], self._last[index])].T,
            "expression": self._expression[index],
            "known": self._known[index],
            "opening": self._opening[index],
            "phoneme": self._phoneme[index],
        }


def stream(sources: list[tuple[SpeechFrames, float]], batch: int, seed: int) -> grain.MapDataset:
    """Endless batches in which each source has its share; each source in its own shuffled order."""
    parts = [
        grain.MapDataset.range(len(frames)).seed(seed + i).shuffle().repeat().random_map(frames.frame)
        for i, (frames, _) in enumerate(sources)
    ]
    return grain.MapDataset.mix(parts, [share for _, share in sources]).batch(batch)
