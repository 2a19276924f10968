"""How far the picture of a clip lags behind its sound, found by predicting its lips from other clips.

Clips from the web are off by up to 0.2 s. Trained on them as they are, a network learns to blur.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.ndimage import gaussian_filter1d

from jaxtalk.audio import mel
from jaxtalk.data.clips import Recording

PENALTY = 3000.0
_LONGEST = 4  # frames
_GAIN = 0.04  # by which a lag must raise the correlation to be believed


def ridge_features(recording: Recording) -> Float[np.ndarray, "n 680"]:
    """40 bands, 0.2 s before and after each frame in steps of 25 ms."""
    bands = recording.mel.reshape(len(recording.mel), mel.BANDS // 2, 2).mean(-1)
    wanted = np.rint(recording.seconds[:, None] * mel.COLUMNS_PER_SECOND).astype(int) + np.arange(-16, 17, 2)
    return bands[np.clip(wanted, 0, len(bands) - 1)].reshape(len(wanted), -1)


class Ridge:
    """Ridge regression of the standardised mouth opening, from any subset of recordings."""

    def __init__(self, recordings: list[Recording]):
        self.x = [ridge_features(r) for r in recordings]
        self.y = [(r.opening - r.opening.mean()) / r.opening.std() for r in recordings]
        self._gram = np.stack([x.T @ x for x in self.x])
        self._target = np.stack([x.T @ y for x, y in zip(self.x, self.y, strict=True)])

    def predict(self, index: int, without: set[int]) -> Float[np.ndarray, "n"]:
        """Opening of recording `index` from all recordings but it and those in `without`."""
        kept = [i for i in range(len(self.x)) if i != index and i not in without]
        gram = self._gram[kept].sum(0) + PENALTY * np.eye(self._gram.shape[-1])
        return self.x[index] @ np.linalg.solve(gram, self._target[kept].sum(0))


def lags(ridge: Ridge, without: set[int]) -> Int[np.ndarray, "r"]:
    """Frames by which each recording's picture comes late; 0 for those in `without`, which no other one learns from."""
    found = np.zeros(len(ridge.x), int)
    for i in set(range(len(ridge.x))) - without:
        found[i] = _lag(gaussian_filter1d(ridge.predict(i, without), 1), ridge.y[i])
    return found


def _lag(predicted: Float[np.ndarray, "n"], seen: Float[np.ndarray, "n"]) -> int:
    candidates = np.arange(-_LONGEST, _LONGEST + 1)
    score = []
    for lag in candidates:
        early, late = (predicted[: len(predicted) - lag], seen[lag:]) if lag >= 0 else (predicted[-lag:], seen[:lag])
        score.append(np.corrcoef(early, late)[0, 1] - 0.01 * abs(lag))
    best = int(np.argmax(score))
    return int(candidates[best]) if score[best] > score[_LONGEST] + _GAIN else 0
