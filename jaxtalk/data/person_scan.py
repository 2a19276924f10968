"""Is a video one that an avatar can be made of? The first look, before any long work: one shot, still camera, one face.

frames --small grey pictures--> cuts, moving camera    some frames --track_video--> a face or none
frames --track_video, a piece at a time--> landmarks of every frame, the square
"""

import itertools
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32
from PIL import Image
from tqdm import tqdm

from jaxtalk.data import track_video
from jaxtalk.data.clip import FPS
from jaxtalk.data.track_video import Seen
from jaxtalk.data.video_pieces import Square
from jaxtalk.errors import InputError
from jaxtalk.face import detect, tracks
from jaxtalk.io import output, video

Follow = Callable[[Iterable[track_video.Picture]], Iterator[Seen]]

SHORTEST = 5.0  # seconds
SLOWEST = 20.0  # frames a second
MISSING = 0.03  # share of frames that may have no face; they are bridged
PROBES = 16  # frames, evenly spread, that are searched for a face before all are
FEW = 2  # of them that may have none: so many do not come of `MISSING` alone
PIECE = 250  # frames that are followed on their own and kept, so that an interrupted look goes on behind them
SMALL = 64  # pixels: longer side at which frames are compared
EVERY = 5  # frames of which one is kept for the test of the camera
CHANGES = 0.02  # of white: median change by which a pixel of the border is not still
UNSTILL = 0.25  # share of border that may change; 19 clips of still cameras reach 0.20, most of moving ones pass 0.28
CORNER = 0.2  # side of the picture's two upper corners over its width: where heads hardly come
SHIFTS = 3, 6  # pixels, down and across: how far corners are looked for
ALIKE = 0.6  # of the difference that is left when a corner is shifted, if it is the camera that moved
SHIFTED = 0.1  # share of frames with such a corner; 11 clips of still cameras have none on both sides
LARGE = 2.4  # side of the square over the longer side of the face's box: hair above, shoulders below
LIFT = 0.05  # of that longer side by which the square's middle is above the box's


class Scan(NamedTuple):
    """A video that will do."""

    landmarks: Float32[np.ndarray, "t 68 2"]  # pixels of the video; 0 where not seen
    seen: Bool[np.ndarray, "t"]
    square: Square  # what is cut out of every frame


def scan(path: Path, track: Path | None = None, mediapipe: Path | None = None, kept: Path | None = None) -> Scan:
    """The face of each frame at 25 a second. What is followed is kept in the file `kept` as it grows.

    Raises:
        InputError: it is no video of one person's face before a still camera, of `SHORTEST` seconds at least.
    """
    info = video.probe(path)
    if info.fps < SLOWEST:
        raise InputError(f"{path}: has {info.fps:.3g} frames a second; at least {SLOWEST:g} are needed")
    follow, piece = _follower(track, mediapipe)
    try:
        begun = _begun(kept) or Begun(_look(path, info, None if track or mediapipe else follow))  # those are quick
        places, seen = _followed(path, begun, follow, piece, kept)
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{track or path}: {error}") from error
    return Scan(places, seen, square(places[seen], info.height, info.width))


def _follower(track: Path | None, mediapipe: Path | None) -> tuple[Follow, int]:
    """What finds the face in frames, and how many it is given at once: a track is one piece, it counts its rows."""
    if track is not None:
        known = tracks.load(track)
        return lambda frames: track_video.tracked(frames, known, float(FPS)), 2**31
    if mediapipe is not None:
        return lambda frames: track_video.by_mediapipe(frames, mediapipe, float(FPS)), PIECE
    return by_networks, PIECE


def by_networks(frames: Iterable[track_video.Picture]) -> Iterator[Seen]:
    """The face by the project's own networks; the first frame tells whether there are several.

    Where it is lost every frame is searched: a hand hides it for a moment only, and there are few such frames.
    """
    frames = iter(frames)
    yield from track_video.detected(itertools.islice(frames, 1))
    for face in detect.track(frames):
        yield Seen(0, None, track_video.NOBODY) if face is None else Seen(0, np.float32(face.landmarks))


def _look(path: Path, info: video.Info, follow: Follow | None) -> int:
    """The number of frames, if they are of one shot by a still camera with a face in nearly all that are searched."""
    kept, faceless, last, count = [], [], None, 0
    if info.seconds < SHORTEST - 0.5:  # headers may be a little off
        raise InputError(_too_short(path, info.seconds))
    long = round(info.seconds * FPS)
    for frame in tqdm(video.frames(path, fps=float(FPS)), "looking", long, disable=None):
        small = _small(frame)
        if last is not None and np.abs(small - last).mean() > track_video.CUT:
            raise InputError(f"{path}: has a cut at {count / FPS:.2f} s; give a part of it that is one shot")
        if count % EVERY == 0:
            kept.append(small)
        if follow and count % max(1, long // PROBES) == 0 and len(faceless) <= FEW:
            found = next(follow([frame]))
            faceless += [] if found.landmarks is not None else [f"at {count / FPS:.1f} s {found.why}"]
        last, count = small, count + 1
    if count < SHORTEST * FPS:
        raise InputError(_too_short(path, count / FPS))
    small = np.stack(kept)
    border, corners = unstill(small), shifted(small)
    if border > UNSTILL or corners > SHIFTED:
        what = f"{border:.0%} of the border changes, {corners:.0%} of the frames are shifted"
        raise InputError(f"{path}: the camera or the background moves ({what}); give a video from a camera on a stand")
    if len(faceless) > FEW:
        raise InputError(f"{path}: {', '.join(faceless)}; give a part of it that shows one face")
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


def shifted(small: Float32[np.ndarray, "t h w"]) -> float:
    """Share of frames that show an upper corner of the middle frame elsewhere: of the left and the right, the lesser.

    So a slow pan over a plain room is told from a large head that reaches into one corner.
    """
    return min(_corner_shifted(small), _corner_shifted(small[:, :, ::-1]))


def _corner_shifted(small):
    """The share for the upper left corner."""
    side, middle = max(4, round(CORNER * small.shape[2])), small[len(small) // 2]
    down, across = (min(shift, side // 2) for shift in SHIFTS)
    errors = []
    for y, x in itertools.product(range(-down, down + 1), range(-across, across + 1)):
        top, left = max(0, -y), max(0, -x)  # of the corner, as far as the middle frame has it there
        there = middle[top + y : side + y, left + x : side + x]
        errors.append(np.abs(small[:, top:side, left:side] - there).mean((1, 2)))
    unmoved = errors[len(errors) // 2]
    return float(np.mean((np.min(errors, axis=0) < ALIKE * unmoved) & (unmoved > CHANGES / 2)))


class Begun(NamedTuple):
    """A video that is looked at, and its first frames, in which the face is followed."""

    count: int  # frames of the video
    landmarks: Float32[np.ndarray, "k 68 2"] = np.zeros((0, 68, 2), np.float32)
    seen: Bool[np.ndarray, "k"] = np.zeros(0, bool)


def _begun(kept: Path | None) -> Begun | None:
    """What an interrupted look left."""
    try:
        with np.load(kept, allow_pickle=False) as file:
            return Begun(int(file["count"]), file["landmarks"], file["seen"])
    except (OSError, TypeError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def _followed(path: Path, begun: Begun, follow: Follow, piece: int, kept: Path | None):
    """Landmarks of each frame, 0 where there are none, and where there are; stops when too many have none."""
    count, places, seen = begun
    places, seen = list(places), seen.tolist()
    frames = itertools.islice(video.frames(path, fps=float(FPS)), len(seen), count)
    with tqdm(desc="following the face", total=count, initial=len(seen), disable=None) as bar:
        for _ in range(len(seen), count, piece):
            for frame in follow(itertools.islice(frames, piece)):
                seen.append(frame.landmarks is not None)
                places.append(np.zeros((68, 2), np.float32) if frame.landmarks is None else frame.landmarks)
                bar.update()
                if seen.count(False) > MISSING * count:
                    raise InputError(
                        f"{path}: {frame.why} in more than {MISSING:.0%} of the frames (up to "
                        f"{len(seen) / FPS:.1f} s); give a part of it that shows one face"
                    )
            if kept:
                with output.atomic(kept) as to, to.open("wb") as file:
                    np.savez(file, count=count, landmarks=np.stack(places), seen=seen)
    return np.stack(places), np.array(seen)


def square(landmarks: Float32[np.ndarray, "t 68 2"], height: int, width: int) -> Square:
    """What holds head and shoulders through the whole clip, as far as the picture does."""
    low, high = landmarks.min(1), landmarks.max(1)
    long = float(np.median((high - low).max(1)))
    low, high = np.quantile(low, 0.02, axis=0), np.quantile(high, 0.98, axis=0)
    side = min(round(max(LARGE * long, float((high - low).max()) + (LARGE - 1) * long)), height, width)
    middle = (low + high) / 2 - [0, LIFT * long]
    left, top = np.clip(np.rint(middle - side / 2), 0, [width - side, height - side]).astype(int).tolist()
    return Square(left, top, side)
