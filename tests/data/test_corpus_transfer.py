"""What the corpus is for: lips learned from synthetic speech alone fit real speech."""

import numpy as np
import pytest
from scipy import signal

from jaxtalk.audio import load
from jaxtalk.data import articulation, clip

CONTEXT = 5  # frames of 40 ms on either side


EDGES = np.geomspace(80, 7600, 33)  # Hz


def heard(sound, frames):
    """Log energy in 32 bands around each frame, normalised over the recording [t, (2 context + 1) 32]."""
    frequency, _, spectrum = signal.stft(sound, clip.RATE, nperseg=512, noverlap=512 - 160)
    power = np.cumsum(np.abs(spectrum) ** 2, 0)
    low, high = (np.searchsorted(frequency, edges) for edges in (EDGES[:-1], EDGES[1:]))
    bands = np.log(power[np.maximum(high, low + 1) - 1] - power[low - 1] + 1e-9).T  # 100 columns a second
    place = 4 * np.arange(frames)[:, None] + np.array([-1, 0, 1])
    here = bands[np.clip(place, 0, len(bands) - 1)].mean(1)
    here = (here - here.mean(0)) / (here.std(0) + 0.3)
    padded = np.pad(here, ((CONTEXT, CONTEXT), (0, 0)), mode="edge")
    return np.concatenate([padded[k : k + frames] for k in range(2 * CONTEXT + 1)], 1)


@pytest.mark.slow
def test_ridge_regression_learned_on_the_corpus_moves_a_real_jaw(media):
    """On FACEGOOD's 3_15 about as well as one learned on other recordings of the same speaker, which reaches 0.70."""
    inputs, targets = [], []
    for index in range(150):
        made = clip.make(11, index)
        opening = articulation.lip_opening(made.expression)
        inputs.append(heard(made.speech.astype(np.float32) / 32768, len(opening)))
        targets.append((opening - opening.mean()) / opening.std())
    x, y = np.concatenate(inputs), np.concatenate(targets)
    weights = np.linalg.solve(x.T @ x + 1e4 * np.eye(x.shape[1]), x.T @ y)

    with np.load(media / "facegood" / "3_15.npz", allow_pickle=False) as track:
        jaw = track["weights"][:, track["names"].tolist().index("mouth_stretch_c")]
        seconds = np.arange(len(jaw)) / float(track["fps"])
    frames = int(seconds[-1] * clip.FPS)
    jaw = np.interp(np.arange(frames) / clip.FPS, seconds, jaw)
    sound = load.load(media / "facegood" / "3_15.flac")
    moved = heard(sound, frames) @ weights
    energy = np.log(1e-6 + np.mean(sound[: frames * 640].reshape(-1, 640) ** 2, -1))
    learned, loud = (np.corrcoef(track, jaw)[0, 1] for track in (moved, energy))
    print(f"jaw of 3_15: corpus ridge {learned:.3f}, log energy {loud:.3f}")
    assert learned > 0.64 and learned > loud
