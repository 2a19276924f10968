"""Pieces of a video in which a face stays in one square, as the preprocessing of face-vid2vid's data cuts them.

A piece goes on while the box of the face overlaps that of the piece's first frame (intersection over union above 0.25)
in the same shot. Its one square lies about the median box, so the head moves in it as it does before the camera.
Rule and numbers are those of First Order Motion Model's crop script (Siarohin et al., 2019); there the square is the
union of all boxes and a tenth on each side, but its boxes are a detector's, which hold the forehead too.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from jaxtalk.data.track_video import Seen

OVERLAP = 0.25  # of the union, with the box of the piece's first frame
MARGIN = 2.2  # side of the square over the longer side of the box of the 68 points: with hair, and room to move
_LIFT = 0.1  # sides of the box by which the square's middle is higher than the box's: points reach only to the brows
_INSIDE = 0.75  # least part of a frame's box that the square shows


class Stretch(NamedTuple):
    """Consecutive frames with a face, or without one."""

    start: int  # frame of the video
    count: int
    landmarks: Float32[np.ndarray, "t 68 2"] | None  # pixels of the video
    why: str  # there are none


class Square(NamedTuple):
    """Pixels of the video."""

    left: int
    top: int
    side: int


def stretches(frames: Iterable[Seen], longest: int) -> Iterator[Stretch]:
    """Cuts where the face goes too far or is lost or found, where a shot ends, and after `longest` frames."""
    start, held = 0, []
    for frame in frames:
        if held and (len(held) == longest or not _goes_on(held[0], frame)):
            yield _stretch(start, held)
            start, held = start + len(held), []
        held.append(frame)
    if held:
        yield _stretch(start, held)


def _goes_on(first: Seen, frame: Seen) -> bool:
    if first.shot != frame.shot or first.why != frame.why:
        return False
    return first.landmarks is None or _overlap(*_boxes(np.stack([first.landmarks, frame.landmarks]))) > OVERLAP


def _stretch(start: int, held: list[Seen]) -> Stretch:
    landmarks = None if held[0].landmarks is None else np.stack([frame.landmarks for frame in held])
    return Stretch(start, len(held), landmarks, held[0].why)


def squares(landmarks: Float32[np.ndarray, "t 68 2"], height: int, width: int) -> list[tuple[slice, Square]]:
    """The square of a stretch in a picture of this size; those of its halves where one does not hold the face."""
    square = around(landmarks, height, width)
    if len(landmarks) < 2 or (_shown(_boxes(landmarks), square) >= _INSIDE).all():
        return [(slice(0, len(landmarks)), square)]
    half = len(landmarks) // 2
    later = squares(landmarks[half:], height, width)
    moved = [(slice(part.start + half, part.stop + half), square) for part, square in later]
    return squares(landmarks[:half], height, width) + moved


def around(landmarks: Float32[np.ndarray, "t 68 2"], height: int, width: int) -> Square:
    """The square about the median box, as large and as central as the picture allows."""
    boxes = _boxes(landmarks)
    long = float(np.median((boxes[:, 2:] - boxes[:, :2]).max(1)))
    side = max(1, min(round(MARGIN * long), height, width))
    middle = np.median((boxes[:, :2] + boxes[:, 2:]) / 2, axis=0) - [0, _LIFT * long]
    left, top = np.clip(np.rint(middle - side / 2), 0, [width - side, height - side]).astype(int).tolist()
    return Square(left, top, side)


def _boxes(landmarks: Float32[np.ndarray, "t 68 2"]) -> Float[np.ndarray, "t 4"]:
    return np.concatenate([landmarks.min(1), landmarks.max(1)], axis=1)


def _overlap(a: Float[np.ndarray, "4"], b: Float[np.ndarray, "4"]) -> float:
    """Intersection over union."""
    both = np.maximum(0, np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).prod()
    return float(both / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - both))


def _shown(boxes: Float[np.ndarray, "t 4"], square: Square) -> Float[np.ndarray, "t"]:
    """Part of each box that the square holds."""
    low = np.array([square.left, square.top])
    inside = np.minimum(boxes[:, 2:], low + square.side) - np.maximum(boxes[:, :2], low)
    return np.maximum(inside, 0).prod(1) / (boxes[:, 2:] - boxes[:, :2]).prod(1)
