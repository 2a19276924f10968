"""One video of someone talking as records: pieces with a steady crop, their sound, and a face fitted to them.

    video --25 frames/s--> landmarks --> pieces --> crops (JPEG)
                                           \\--> fit of the built-in face: expression, rotation, translation, camera
    sound --16 kHz--> as long as each piece

The picture is decoded twice side by side: what is cropped follows what is tracked by at most one piece, so a long
video takes no more memory than a short one.
"""

import collections
import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, Int16, UInt8
from PIL import Image

from jaxtalk.audio import load
from jaxtalk.data import known_sets, staged_clips, track_video, video_pieces
from jaxtalk.data.clip import FPS, RATE, SAMPLES_PER_FRAME
from jaxtalk.data.video_layouts import Source
from jaxtalk.errors import InputError
from jaxtalk.face import builtin, fit, tracks
from jaxtalk.io import image, video

QUALITY = 92  # of JPEG
SLOWEST = 20.0  # frames a second: of fewer, too many would be shown twice
SILENT = 1e-3  # of full scale: a quieter piece has no sound
ENDS_EARLY = round(0.2 * RATE)  # samples that may be missing at the end; they are filled with silence


@dataclasses.dataclass(frozen=True)
class Demands:
    """What pieces shall be like, and how the face is found."""

    size: int  # pixels: side of the crop
    smallest: int  # pixels: least side of the crop in the video
    longest: int  # frames
    shortest: int  # frames
    tracks: Path | None = None  # folder of tracks, laid out as the videos; a track beside a video is taken too
    mediapipe: Path | None = None  # landmarker to follow faces with where there is no track


def stage(folder: Path, demands: Demands, source: Source) -> None:
    """Writes what becomes of a video into the folder, if that is not there yet (`staged_clips`)."""
    if staged_clips.outcome(staged_clips.path(folder, source)) is None:
        staged_clips.write(folder, source, functools.partial(records, demands=demands))


def records(source: Source, demands: Demands) -> Iterator[dict[str, object]]:
    """The records of all pieces of a video, as `talking_videos.features` has them.

    Raises:
        InputError: the video cannot be read, or no piece of it is as demanded: why most of its frames are not.
    """
    info = video.probe(source.path)
    if not info.has_sound:
        raise InputError("has no sound track")
    if info.fps < SLOWEST:
        raise InputError(f"has {info.fps:.3g} frames a second; at least {SLOWEST:g} are needed")
    with source.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    pictures, sound = video.frames(source.path, fps=float(FPS)), _Sound(source.path)
    refused, done, at = collections.Counter(), 0, 0
    for stretch in video_pieces.stretches(_seen(source, demands), demands.longest):
        for part, square in _squares(stretch, info):
            start, count = stretch.start + part.start, part.stop - part.start
            piece = stretch.landmarks[part] if stretch.landmarks is not None else None
            deaf, speech = _heard(sound, start, count)
            count = len(speech) // SAMPLES_PER_FRAME
            short = f"no piece has {demands.shortest} frames" if count < demands.shortest else ""
            if why := _blind(stretch, square, demands) or deaf or short:
                refused[why] += part.stop - part.start
                continue
            shown = itertools.islice(pictures, start - at, start - at + count)
            frames = [_jpeg(picture, square, demands.size) for picture in shown]
            at, done = start + count, done + 1
            yield _record(frames, _in_crop(piece[:count], square, demands.size), speech) | {
                "name": f"{source.name}-{start:06d}",
                "clip": source.clip,
                "person": source.person,
                "text": source.text or known_sets.transcript(source.path),
                "label": source.label,
                "start": start,
                "source_sha256": digest,
            }
    if not done:
        raise InputError(refused.most_common(1)[0][0] if refused else "has no frames")


def _seen(source: Source, demands: Demands) -> Iterator[track_video.Seen]:
    frames = video.frames(source.path, fps=float(FPS))
    places = [source.path.with_suffix(".npz")]
    if demands.tracks is not None:
        places.insert(0, (demands.tracks / source.clip).with_suffix(".npz"))
    for place in places:
        if place.is_file():
            return track_video.tracked(frames, tracks.load(place), float(FPS))
    if demands.mediapipe is not None:
        return track_video.by_mediapipe(frames, demands.mediapipe, float(FPS))
    return track_video.detected(frames)


def _squares(stretch: video_pieces.Stretch, info: video.Info):
    if stretch.landmarks is None:
        return [(slice(0, stretch.count), None)]
    return video_pieces.squares(stretch.landmarks, info.height, info.width)


def _blind(stretch: video_pieces.Stretch, square: video_pieces.Square | None, demands: Demands) -> str:
    """Why a piece shows no face, or one too small; empty if it shows one."""
    if square is None:
        return stretch.why
    small = f"the face is too small (its square has less than {demands.smallest} pixels a side)"
    return small if square.side < demands.smallest else ""


class _Sound:
    """The sound of a video, asked for from its beginning to its end."""

    def __init__(self, path: Path):
        self._parts, self._held, self._at = load.stream(path, RATE), np.zeros(0, np.float32), 0

    def samples(self, first: int, last: int) -> Float32[np.ndarray, "n"]:
        """Samples first, ..., last - 1, or as many as there are."""
        while self._at + len(self._held) < last:
            part = next(self._parts, None)
            if part is None:
                break
            skipped = min(max(0, first - self._at), len(self._held))
            self._held, self._at = np.concatenate([self._held[skipped:], part]), self._at + skipped
        return self._held[max(0, first - self._at) : max(0, last - self._at)]


def _heard(sound: _Sound, start: int, count: int) -> tuple[str, Int16[np.ndarray, "n"]]:
    """Why the sound of a piece is none, and the sound of as many whole frames as there is sound for."""
    first, last = start * SAMPLES_PER_FRAME, (start + count) * SAMPLES_PER_FRAME
    samples = sound.samples(first, last)
    missing = last - first - len(samples)
    if missing <= ENDS_EARLY:
        samples = np.pad(samples, (0, missing))
    samples = samples[: len(samples) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME]
    why = "its sound is silent" if np.abs(samples).max(initial=0.0) < SILENT else ""
    return "its sound ends before the picture" if not len(samples) else why, (samples * 32767).astype(np.int16)


def _jpeg(picture: UInt8[np.ndarray, "h w 3"], square: video_pieces.Square, size: int) -> bytes:
    left, top, side = square
    crop = Image.fromarray(picture[top : top + side, left : left + side])
    return image.jpeg(np.asarray(crop.resize((size, size), Image.Resampling.LANCZOS)), QUALITY)


def _in_crop(points: Float32[np.ndarray, "t 68 2"], square: video_pieces.Square, size: int):
    return ((points - [square.left, square.top]) * (size / square.side)).astype(np.float32)


def _record(frames: list[bytes], points: Float32[np.ndarray, "t 68 2"], speech: Int16[np.ndarray, "n"]) -> dict:
    """What is in the picture, heard, and fitted."""
    fitted = fit.fit_sequence(builtin.model(), jnp.asarray(points))
    focal, centre, distance = (np.asarray(value) for value in fitted.camera)
    return {
        "frames": frames,
        "landmarks": points,
        "camera": np.array([focal, *centre, distance], np.float32),
        "speech": speech,
        "expression": np.asarray(fitted.expression),
        "rotation": np.asarray(fitted.angles),
        "translation": np.asarray(fitted.translation),
        "identity": np.asarray(fitted.identity),
    }
