"""What an evaluation looks at: two videos side by side, a batch of frames at a time, and the face in each.

Frames of the true video are those shown at the times of the result's frames, whatever its own rate. A result of
another size is brought to the truth's, as tables of papers do.
"""

import collections
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from jaxtalk.errors import InputError
from jaxtalk.face import align, detect
from jaxtalk.face.crop import to_crop
from jaxtalk.io import video

BATCH = 8
FACE = 256  # pixels: side of a frame of the region "face"
_LOST = np.full((68, 2), np.nan, np.float32)
_UNLIKE = 1.02  # aspect ratios that differ by more show other pictures

Region = Literal["frame", "face"]


class Side(NamedTuple):
    """One of the two videos in a batch."""

    frames: UInt8[np.ndarray, "b h w 3"]  # what is compared: whole frames or aligned faces
    known: Bool[np.ndarray, "b"]  # whether a frame shows it
    points: Float[np.ndarray, "b 68 2"]  # landmarks in pixels of `frames`; not numbers where no face was found
    landmarks: Float[np.ndarray, "b 68 2"]  # the same in pixels of the video


class Batch(NamedTuple):
    """Frames of both at the same times. The last batch is filled up with its last frame; `count` are real."""

    result: Side
    truth: Side | None
    count: int


def batches(result: Path, truth: Path | None, region: Region) -> Iterator[Batch]:
    """Both videos from their beginnings to the end of the shorter.

    Raises:
        InputError: one cannot be read, or they show different parts of a picture.
    """
    fps = video.probe(result).fps
    own = video.frames(result, fps=fps)  # as the truth, so that a video has no distance to itself
    if truth is None:
        pairs = ((face, None) for face in _seen(own, region))
    else:
        size = _common_size(result, truth, region)
        own = (_resized(frame, size) for frame in own) if size else own
        pairs = zip(_seen(own, region), _seen(video.frames(truth, fps=fps), region), strict=False)
    for part in _chunks(pairs, BATCH):
        count = len(part)
        part += part[-1:] * (BATCH - count)
        sides = [None if side[0] is None else _side(side) for side in zip(*part, strict=True)]
        yield Batch(sides[0], sides[1], count)


def _common_size(result: Path, truth: Path, region: Region) -> tuple[int, int] | None:
    """Width and height to which the result's frames must be brought, if any."""
    ours, theirs = video.probe(result), video.probe(truth)
    if region == "face" or (ours.width, ours.height) == (theirs.width, theirs.height):
        return None
    ratio = ours.width * theirs.height / (ours.height * theirs.width)
    if max(ratio, 1 / ratio) > _UNLIKE:
        raise InputError(
            f"{result}: is {ours.width}x{ours.height} and {truth} {theirs.width}x{theirs.height}, so they show "
            "different parts; crop one as the other, or compare aligned faces with --region face"
        )
    return theirs.width, theirs.height


def _seen(frames: Iterable, region: Region) -> Iterator[tuple]:
    """The fields of a Side for each frame."""
    kept = collections.deque()

    def keep():
        for frame in frames:
            kept.append(frame)
            yield frame

    for face in detect.track(keep()):
        frame, landmarks = kept.popleft(), _LOST if face is None else np.asarray(face.landmarks, np.float32)
        if region == "frame":
            yield frame, True, landmarks, landmarks
        elif face is None:
            yield np.zeros((FACE, FACE, 3), np.uint8), False, landmarks, landmarks
        else:
            there = jnp.asarray(landmarks)
            points = FACE * np.asarray(to_crop(there, align.aligned_frame(there)))
            yield align.aligned(frame, landmarks, FACE), True, points, landmarks


def _side(seen) -> Side:
    return Side(*(np.stack(values) for values in zip(*seen, strict=True)))


def _resized(frame: UInt8[np.ndarray, "h w 3"], size: tuple[int, int]) -> UInt8[np.ndarray, "h2 w2 3"]:
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC))


def _chunks(items: Iterable, size: int) -> Iterator[list]:
    items = iter(items)
    while chunk := list(itertools.islice(items, size)):
        yield chunk
