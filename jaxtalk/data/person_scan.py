"""Is a video one that an avatar can be made of? The first look, before any long work: one shot, still camera, one face.

frames --small grey pictures--> cuts, moving camera    frames --track_video--> landmarks of every frame, the square
"""

import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32
from PIL import Image
from tqdm import tqdm

from jaxtalk.data import track_video
from jaxtalk.data.clip import FPS
from jaxtalk.data.video_pieces import Square
from jaxtalk.errors import InputError
from jaxtalk.face import tracks
from jaxtalk.io import video

SHORTEST = 5.0  # seconds
SLOWEST = 20.0  # frames a second
MISSING = 0.03  # share of frames that may have no face; they are bridged
SMALL = 64  # pixels: longer side at which frames are compared
EVERY = 5  # frames of which one is kept for the test of the camera
CHANGES = 0.02  # of white: median change by which a pixel of the border is not still
UNSTILL = 0.25  # share of border that may change; 19 clips of still cameras reach 0.20, most of moving ones pass 0.28
LARGE = 2.4  # side of the square over the longer side of the face's box: hair above, shoulders below
LIFT = 0.05  # of that longer side by which the square's middle is above the box's


class Scan(NamedTuple):
    """A video that will do."""

    landmarks: Float32[np.ndarray, "t 68 2"]  # pixels of the video; 0 where not seen
    seen: Bool[np.ndarray, "t"]
    square: Square  # what is cut out of every frame


def scan(path: Path, track: Path | None = None, mediapipe: Path | None = None) -> Scan:
    """The face of each frame at 25 a second.

    Raises:
        InputError: it is no video of one person's face before a still camera, of `SHORTEST` seconds at least.
    """
    info = video.probe(path)
    if info.fps < SLOWEST:
        raise InputError(f"{path}: has {info.fps:.3g} frames a second; at least {SLOWEST:g} are needed")
    known = tracks.load(track) if track else None
    count = _look(path, info)
    landmarks = _followed(path, count, known, track, mediapipe)
    seen = np.array([points is not None for points in landmarks])
    places = np.stack([np.zeros((68, 2), np.float32) if points is None else points for points in landmarks])
    return Scan(places, seen, square(places[seen], info.height, info.width))


def _look(path: Path, info: video.Info) -> int:
    """The number of frames, if they are of one shot by a still camera."""
    kept, last, count = [], None, 0
    if info.seconds < SHORTEST - 0.5:  # headers may be a little off
        raise InputError(_too_short(path, info.seconds))
    for frame in tqdm(video.frames(path, fps=float(FPS)), "looking", round(info.seconds * FPS), disable=None):
        small = _small(frame)
        if last is not None and np.abs(small - last).mean() > track_video.CUT:
            raise InputError(f"{path}: has a cut at {count / FPS:.2f} s; give a part of it that is one shot")
        if count % EVERY == 0:
            kept.append(small)
        last, count = small, count + 1
    if count < SHORTEST * FPS:
        raise InputError(_too_short(path, count / FPS))
    if (share := unstill(np.stack(kept))) > UNSTILL:
        raise InputError(
            f"{path}: the camera or the background moves ({share:.0%} of the border changes); "
            "give a video from a camera on a stand"
        )
    return count


def _too_short(path, seconds):
    return f"{path}: lasts {seconds:.1f} s; at least {SHORTEST:g} s are needed, and some minutes are better"


def _small(frame):
    picture = Image.fromarray(frame)
    picture = picture.reduce(max(1, max(picture.size) // (2 * SMALL))).convert("L")
    scale = SMALL / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return np.asarray(picture.resize(size, Image.Resampling.BOX), np.float32) / 255


def unstill(small: Float32[np.ndarray, "t h w"]) -> float:
    """Share of the border, above and beside the head, that differs from its median by more than noise half the time."""
    change = np.median(np.abs(small - np.median(small, axis=0)), axis=0)
    height, width = change.shape
    band = max(2, width // 16)
    border = [
        change[:band].ravel(),
        change[band : height // 2, :band].ravel(),
        change[band : height // 2, -band:].ravel(),
    ]
    return float(np.mean(np.concatenate(border) > CHANGES))


def _followed(path, count, known, track, mediapipe):
    """Landmarks of each frame, None where there are none; stops at the frame that is one too many without."""
    frames = itertools.islice(video.frames(path, fps=float(FPS)), count)
    if known is not None:
        seen = track_video.tracked(frames, known, float(FPS))
    elif mediapipe is not None:
        seen = track_video.by_mediapipe(frames, mediapipe, float(FPS))
    else:
        seen = track_video.detected(frames)
    found, missing = [], 0
    try:
        for frame in tqdm(seen, "following the face", count, disable=None):
            missing += frame.landmarks is None
            if missing > MISSING * count:
                raise InputError(
                    f"{path}: {frame.why} in more than {MISSING:.0%} of the frames (up to {len(found) / FPS:.1f} s); "
                    "give a part of it that shows one face"
                )
            found.append(frame.landmarks)
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{track or path}: {error}") from error
    return found


def square(landmarks: Float32[np.ndarray, "t 68 2"], height: int, width: int) -> Square:
    """What holds head and shoulders through the whole clip, as far as the picture does."""
    low, high = landmarks.min(1), landmarks.max(1)
    long = float(np.median((high - low).max(1)))
    low, high = np.quantile(low, 0.02, axis=0), np.quantile(high, 0.98, axis=0)
    side = min(round(max(LARGE * long, float((high - low).max()) + (LARGE - 1) * long)), height, width)
    middle = (low + high) / 2 - [0, LIFT * long]
    left, top = np.clip(np.rint(middle - side / 2), 0, [width - side, height - side]).astype(int).tolist()
    return Square(left, top, side)
