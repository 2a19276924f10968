"""Do the expression coefficients of the published SadTalker tell how open the mouth in its own video is, and when?

    python benchmarks/sadtalker_readout.py --media ../shared/media --tracker ../shared/models/face_landmarker.task

A cross-validated linear readout of the 64 coefficients (five contiguous folds, ridge) against the opening of the
inner lips that a tracker sees: it needs no basis of the face model, and settles that frames and coefficients belong
together as we think. Prints the correlation for each shift of the video against the coefficients.

Measured on 200 frames: with MediaPipe's landmarker 0.86, best without a shift (0.67 one frame early, 0.77 one late);
with our own landmark network 0.75, also without a shift. Ours sees the opening of these small lips (256 pixels)
less surely: its opening follows MediaPipe's at 0.49.
"""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import tyro
from jaxtyping import Float

from jaxtalk.face.landmarks import lip_opening
from jaxtalk.io import video
from jaxtalk.metrics import linear_readout
from jaxtalk.systems import lip_sync

EXPRESSION = 64  # of a row's 70 coefficients; the others are the pose
REACH = 4  # frames


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    media: Path = Path("../shared/media")
    """Folder with peer_outputs/."""
    tracker: Path | None = None
    """MediaPipe's face_landmarker.task (extra `mediapipe`); our own networks if not given."""


def coefficients(media: Path) -> Float[np.ndarray, "t 64"]:
    with np.load(media / "peer_outputs" / "sadtalker_english_radio_coeff.npz", allow_pickle=False) as file:
        return file["coeff"][:, :EXPRESSION]


def seen_opening(media: Path, tracker: Path | None) -> Float[np.ndarray, "t"]:
    """Opening of the inner lips in SadTalker's video, over the distance of the outer eye corners."""
    path = media / "peer_outputs" / "sadtalker_english_radio.mp4"
    if tracker is None:
        return np.asarray(lip_opening(jnp.asarray(lip_sync.watch(path))))
    from jaxtalk.face import mediapipe_tracker

    track = mediapipe_tracker.track(tracker, video.frames(path), video.probe(path).fps)
    return np.asarray(lip_opening(jnp.asarray(track.landmarks)))


def main(options: Options) -> None:
    found = linear_readout.lagged(coefficients(options.media), seen_opening(options.media, options.tracker), REACH)
    for lag, value in zip(range(-REACH, REACH + 1), found.tolist(), strict=True):
        print(f"video {lag:+d} frames: correlation {value:.3f}")


if __name__ == "__main__":
    main(tyro.cli(Options))
