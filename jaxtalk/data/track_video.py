"""Follows the speaker's face through a video: for every frame its 68 landmarks, or why there are none, and its shot.

    frames --differences--> shots --FaceDetector, LandmarkNet (or MediaPipe, or a track that is there)--> landmarks

One frame is held at a time, so length costs no memory. Where two faces are alike in size nobody knows whose the sound
is: such frames have no landmarks, as those without a face.
"""

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, UInt8
from PIL import Image

from jaxtalk.errors import InputError
from jaxtalk.face import detect
from jaxtalk.face.tracks import Track

Picture = UInt8[np.ndarray, "h w 3"]

CUT = 0.08  # of white: mean difference, small and in grey, from which a shot begins; 28 clips of one shot reach 0.056
RIVAL = 0.7  # a second face of this part of the first one's size might be the speaker's
_SMALL = 32  # pixels: side at which shots are told apart
_REST = 12  # frames after which a face is looked for again where there was none; searching takes long
NOBODY, SEVERAL, ENDED = "no face is found", "several faces are of like size", "its track ends before it"


class Seen(NamedTuple):
    """One frame."""

    shot: int
    landmarks: Float32[np.ndarray, "68 2"] | None  # pixels of the frame
    why: str = ""  # there are no landmarks


def detected(frames: Iterable[Picture]) -> Iterator[Seen]:
    """By the project's own two networks."""
    for shot, pictures in _shots(frames):
        for found in _in_shot(pictures):
            yield Seen(shot, None, found) if isinstance(found, str) else Seen(shot, np.float32(found.landmarks))


def by_mediapipe(frames: Iterable[Picture], task: Path, fps: float) -> Iterator[Seen]:
    """By MediaPipe's landmarker in the file `task`."""
    from jaxtalk.face import mediapipe_tracker

    with contextlib.closing(mediapipe_tracker.Tracker(task, faces=2, fps=fps)) as find:
        for shot, pictures in _shots(frames):
            for picture in pictures:
                found = find(picture)
                why = _unclear([np.ptp(points, axis=0).max() for points in found])
                yield Seen(shot, None, why) if why else Seen(shot, np.float32(found[0]))


def tracked(frames: Iterable[Picture], track: Track, fps: float) -> Iterator[Seen]:
    """By a track that is there, with a row for each frame of the file; `frames` are those of `video.frames` at `fps`.

    Raises:
        InputError: it is the track of pictures of another size.
    """
    count = 0
    for shot, pictures in _shots(frames):
        for picture in pictures:
            if picture.shape[:2] != track.size:
                height, width = track.size
                ours = f"{picture.shape[1]}x{picture.shape[0]}"
                raise InputError(f"its track is of {width}x{height} pixels, the video of {ours}; track it anew")
            row = int((count + 0.05) * track.fps / fps)  # what is shown then
            count += 1
            if row >= len(track.landmarks):
                yield Seen(shot, None, ENDED)
            elif not track.confidence[row].all():
                yield Seen(shot, None, NOBODY)
            else:
                yield Seen(shot, np.float32(track.landmarks[row]))


def _shots(frames: Iterable[Picture]) -> Iterator[tuple[int, Iterator[Picture]]]:
    """The frames shot by shot."""

    def numbered():
        shot, last = 0, None
        for frame in frames:
            small = _small(frame)
            shot += last is not None and np.abs(small - last).mean() > CUT
            last = small
            yield shot, frame

    for shot, pairs in itertools.groupby(numbered(), key=lambda pair: pair[0]):
        yield shot, (frame for _, frame in pairs)


def _small(frame: Picture) -> Float[np.ndarray, "s s"]:
    picture = Image.fromarray(frame).reduce(max(1, min(frame.shape[:2]) // _SMALL)).convert("L")
    return np.asarray(picture.resize((_SMALL, _SMALL), Image.Resampling.BOX), np.float32) / 255


def _in_shot(pictures: Iterator[Picture]) -> Iterator[detect.Face | str]:
    """For each picture the speaker's face, or why there is none."""
    rest = 0
    for picture in pictures:
        if rest:
            rest -= 1
            yield NOBODY
            continue
        found = detect.faces(picture)
        why = _unclear([face.size for face in found])
        if why == SEVERAL:
            yield from itertools.repeat(SEVERAL, 1 + sum(1 for _ in pictures))
            return
        yield why or found[0]
        if not why:
            for face in detect.track(pictures, start=found[0]):
                yield face or NOBODY
                if face is None:
                    break
        rest = _REST - 1


def _unclear(sizes: list[float]) -> str:
    """Why nobody can tell who speaks, given the sizes of faces, the largest first; empty if one can."""
    if not sizes:
        return NOBODY
    return SEVERAL if len(sizes) > 1 and sizes[1] > RIVAL * sizes[0] else ""
