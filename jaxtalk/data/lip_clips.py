"""Clips with sound and the 68 landmarks of a face, and stretches of them: what LipSyncNet learns from.

folder/NAME.mp4 + folder/NAME.npz (a track, see `face.tracks`)   -> tracked(...)
a record of the synthetic corpus                                 -> synthetic(...)
FACEGOOD's animation weights, moving the built-in face           -> animated(...)
"""

import dataclasses
import zipfile
from pathlib import Path

import grain.python as grain
import numpy as np
from jaxtyping import Float, Float32

from jaxtalk.audio import mel, speech_windows
from jaxtalk.data import clip, clips, host_rows
from jaxtalk.errors import InputError
from jaxtalk.face import face_points, mediapipe
from jaxtalk.models.lip_sync_net import COLUMNS_PER_FRAME, FPS

_PACE = 0.15  # natural logarithm of the largest change of pace
_JITTER = 0.4  # frames by which the picture may be off, so that trackers' and cameras' lags are not learnt


@dataclasses.dataclass(frozen=True)
class LipClip:
    """Someone talking."""

    name: str
    mel: Float32[np.ndarray, "c 80"]  # normalised
    fps: float
    landmarks: Float32[np.ndarray, "n 68 3"]  # x right, y down, z away from the viewer; of any scale
    lead: float = 0.0  # seconds by which the picture is ahead of the sound, as in `clips.Recording`

    def at_video_rate(self) -> Float32[np.ndarray, "t 68 2"]:
        """The landmarks in the picture at LipSyncNet's 25 frames a second, ahead of the sound as people's."""
        count = round(len(self.landmarks) / self.fps * FPS)
        seconds = np.arange(count) / FPS + speech_windows.LEAD - self.lead
        return between(self.landmarks, seconds * self.fps)[..., :2]


def tracked(sound: str | Path, track: str | Path) -> LipClip:
    """A video's sound with its track, whose depth is in units of the width."""
    try:
        with np.load(track, allow_pickle=False) as z:
            height, width = z["height_width"].tolist()
            points, fps = z["landmarks"][:, mediapipe.LANDMARKS_68].astype(np.float32), float(z["fps"])
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{track}: is no track of a face ({error}); see jaxtalk/face/tracks.py") from error
    scale = np.float32([width, height, width])
    return LipClip(Path(track).stem, clips.listen(sound), fps, points * scale, speech_windows.LEAD)


def synthetic(record: dict) -> LipClip:
    """A record of the synthetic corpus: its own face, its own way to articulate, its own movement of the head."""
    landmarks = turned(face(record["expression"], record["identity"]), np.asarray(record["rotation"]))
    return LipClip(str(int(record["index"])), clips.synthetic(record).mel, float(clip.FPS), landmarks)


def animated(sound: str | Path, weights: str | Path) -> LipClip:
    """Speech with FACEGOOD's weights, on the built-in face."""
    recording = clips.animated(sound, weights)
    identity = np.zeros(clip.IDENTITY, np.float32)
    return LipClip(recording.name, recording.mel, recording.fps, face(recording.expression, identity))


def face(expression, identity) -> Float32[np.ndarray, "n 68 3"]:
    """The built-in face's landmarks, not turned, with the axes of `LipClip`, in metres."""
    rest, shapes, moves = face_points.points()
    return np.asarray(rest + np.tensordot(identity, shapes, 1) + np.tensordot(expression, moves, 1), np.float32)


def turned(points: Float[np.ndarray, "n 68 3"], angles: Float[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n 68 3"]:
    """Landmarks with the axes of `LipClip`, turned by (pitch, yaw, roll) as `face.rotation` has it."""
    return np.einsum("nij,nvj->nvi", face_points.rotation(angles), points).astype(np.float32)


class LipStretches:
    """Stretches of `frames` frames of `clips`, at 25 frames a second, with their sound."""

    def __init__(self, clips: list[LipClip], frames: int):
        self._clips, self._frames = clips, frames
        self._columns = int(np.ceil(frames * COLUMNS_PER_FRAME))
        self._owner = np.repeat(np.arange(len(clips)), [-(-len(c.mel) // self._columns) for c in clips])

    def __len__(self) -> int:
        return len(self._owner)

    def stretch(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """`mel` [columns, 80] at a random place and pace, and the `landmarks` [frames, 68, 3] that belong to it.

        Pictures of people are taken as they come, ahead of the sound (`speech_windows.LEAD`); so are all others.
        """
        chosen = self._clips[self._owner[index]]
        length, pace = len(chosen.mel), np.exp(rng.uniform(-_PACE, _PACE))
        room = length - self._columns * pace
        start = rng.uniform(min(0, room), max(0, room))
        column = np.rint(start + np.arange(self._columns) * pace).astype(int).clip(0, length - 1)
        late = rng.uniform(-_JITTER, _JITTER)
        seen = (start + (np.arange(self._frames) + late) * COLUMNS_PER_FRAME * pace) / mel.COLUMNS_PER_SECOND
        frame = (seen + speech_windows.LEAD - chosen.lead) * chosen.fps
        return {"mel": chosen.mel[column], "landmarks": between(chosen.landmarks, frame)}


def between(values: Float32[np.ndarray, "n *e"], place: Float[np.ndarray, "t"]) -> Float32[np.ndarray, "t *e"]:
    """Values between frames, by straight lines; the ends go on."""
    place = np.clip(place, 0, len(values) - 1)
    low = place.astype(int)
    share = (place - low).astype(np.float32).reshape(-1, *[1] * (values.ndim - 1))
    return values[low] * (1 - share) + values[np.minimum(low + 1, len(values) - 1)] * share


def stream(sources: list[tuple[LipStretches, float]], batch: int, seed: int) -> grain.MapDataset:
    """Endless batches in which each source has its share; each source in its own shuffled order."""
    return host_rows.mixed([(len(source), source.stretch, share) for source, share in sources], batch, seed)
