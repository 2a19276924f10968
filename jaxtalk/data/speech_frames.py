"""Single video frames of many recordings for training: a window of sound and what the mouth does in its middle."""

import grain.python as grain
import numpy as np
from jaxtyping import Int

from jaxtalk.audio import speech_windows
from jaxtalk.data import host_rows
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
        return {key: values[0] for key, values in self.frames(np.array([index]), rng).items()}

    def frames(self, indices: Int[np.ndarray, "b"], rng: np.random.Generator | None = None) -> dict[str, np.ndarray]:
        """Several frames, each with its own pace and moment."""
        jitter, pace = np.zeros(len(indices)), np.ones(len(indices))
        if rng is not None:
            jitter, pace = rng.uniform(-_JITTER, _JITTER, len(indices)), rng.uniform(-_PACE, _PACE, len(indices))
            pace = np.exp(pace)
        first, last = self._first[indices][:, None], self._last[indices][:, None]
        columns = speech_windows.columns(self._seconds[indices] + jitter, pace[:, None]) + first
        return {
            "window": np.swapaxes(self._mel[np.clip(columns, first, last)], 1, 2),
            "expression": self._expression[indices],
            "known": self._known[indices],
            "opening": self._opening[indices],
            "phoneme": self._phoneme[indices],
        }


def stream(sources: list[tuple[SpeechFrames, float]], batch: int, seed: int) -> grain.MapDataset:
    """Endless batches in which each source has its share; each source in its own shuffled order."""
    return host_rows.mixed([(len(frames), frames.frame, share) for frames, share in sources], batch, seed)
