"""Pixels of a person's video, drawn anew for every step: what an avatar's field learns from."""

import dataclasses

import grain.python as grain
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, Int, UInt8

from jaxtalk.data import host_rows
from jaxtalk.data.person_video import PersonVideo
from jaxtalk.face import rotation
from jaxtalk.face.camera import Pinhole
from jaxtalk.face.landmark_projection import LIMIT

_ENDLESS = 2**48  # batches


@dataclasses.dataclass(frozen=True, kw_only=True)
class Footage:
    """Frames of one person, and what is known of each. A point x of the head is drawn at rotation x + translation."""

    pictures: UInt8[np.ndarray, "t s s 3"]
    shares: UInt8[np.ndarray, "t s s 2"]  # of 255: how much of a pixel is head, how much torso
    landmarks: Float32[np.ndarray, "t 68 2"]  # in pixels
    windows: Float32[np.ndarray, "t w 1 c"]  # normalised landmarks of the frames around each
    eyes: Float32[np.ndarray, "t 1"]  # how open
    rotation: Float32[np.ndarray, "t 3 3"]
    translation: Float32[np.ndarray, "t 3"]  # metres
    sway: Float32[np.ndarray, "t 2 3"]  # of the torso (`torso_track`)
    mean: Float32[np.ndarray, "k 3"]  # of the landmarks, before the pose, in metres
    spread: Float32[np.ndarray, "k 3"]
    identity: Float32[np.ndarray, "i"]  # of the fitted face
    camera: Pinhole
    background: UInt8[np.ndarray, "s s 3"]

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def mouths(self) -> Int[np.ndarray, "t 2"]:
        """Row and column of each mouth's middle."""
        return np.rint(self.landmarks[:, 48:, ::-1].mean(1)).astype(int)


def of_person(person: PersonVideo, chosen: slice, smoothed: int) -> Footage:
    """Some frames of a prepared video; each knows the landmarks of `smoothed` frames around it."""
    return Footage(
        pictures=person.pictures[chosen],
        shares=person.labels[chosen],
        landmarks=person.face["landmarks"][chosen],
        windows=landmark_windows(person.condition.clip(-LIMIT, LIMIT), smoothed)[chosen],
        eyes=person.eyes[chosen, None].astype(np.float32),
        rotation=np.asarray(rotation.matrix(jnp.asarray(person.face["angles"])), np.float32)[chosen],
        translation=person.face["translation"][chosen].astype(np.float32),
        sway=person.sway[chosen],
        mean=person.normal[0].astype(np.float32),
        spread=person.normal[1].astype(np.float32),
        identity=person.face["identity"],
        camera=person.camera,
        background=person.background,
    )


def shown(count: int, most: int) -> list[int]:
    """At most so many of `count` frames, spread evenly."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).astype(int)).tolist()


def landmark_windows(landmarks: Float32[np.ndarray, "t c"], smoothed: int) -> Float32[np.ndarray, "t {smoothed} 1 c"]:
    """For each frame the landmarks of those around it; the clip's ends are repeated."""
    around = np.arange(len(landmarks))[:, None] + np.arange(smoothed) - smoothed // 2
    return landmarks[np.clip(around, 0, len(landmarks) - 1), None]


class AvatarFrames:
    """Batches of `frames` moments with `pixels` pixels each: three eighths about the mouth, as many where the head is
    or nearly, the others anywhere."""

    def __init__(self, footage: Footage, frames: int, pixels: int):
        self._footage, self._frames, self._pixels = footage, frames, pixels
        self._heads = [_box(shares[..., 0] > 127) for shares in footage.shares]
        size = footage.pictures.shape[1]
        self._mouths = [_around(place, mouth_side(size), size) for place in footage.mouths]

    def draw(self, _: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """For each of the frames what `Footage` has of it, and `pixel` [n, 2] (column, row) with `colour`,
        `background` [n, 3] and `shares` [n, 2] from 0 to 1, and whether it is `rigid` [n]: not about the mouth."""
        rows = [self._moment(int(frame), rng) for frame in rng.integers(len(self._footage), size=self._frames)]
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}

    def stream(self, seed: int) -> grain.MapDataset:
        """Endless; each process has its rows of every batch."""
        return grain.MapDataset.range(_ENDLESS).seed(seed).random_map(self.draw).map(host_rows.own)

    def _moment(self, frame: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        known, size = self._footage, self._footage.pictures.shape[1]
        near = 3 * self._pixels // 8
        parts = ((self._mouths[frame], near), (self._heads[frame], near), ((0, size), self._pixels - 2 * near))
        place = np.concatenate([rng.integers(low, high, (count, 2)) for (low, high), count in parts])
        row, column = place.T
        low, high = self._mouths[frame]
        return {
            "frame": np.array(frame, np.int32),
            "pixel": np.stack([column, row], axis=-1).astype(np.int32),
            "colour": known.pictures[frame, row, column].astype(np.float32) / 255,
            "background": known.background[row, column].astype(np.float32) / 255,
            "shares": known.shares[frame, row, column].astype(np.float32) / 255,
            "rigid": ~((place >= low) & (place < high)).all(1),
            "windows": known.windows[frame],
            "eyes": known.eyes[frame],
            "rotation": known.rotation[frame],
            "translation": known.translation[frame],
            "sway": known.sway[frame],
        }


def mouth_side(size: int) -> int:
    """Pixels of the square about the mouth, of pictures that `size` pixels show head and shoulders."""
    return 3 * size // 16


def _around(place: np.ndarray, side: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """First row and column, and those behind the last, of a square that lies within the picture."""
    low = np.clip(place - side // 2, 0, size - side)
    return low, low + side


def _box(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First row and column, and those behind the last, of what is true and a little around it."""
    size = len(mask)
    places = np.argwhere(mask) if mask.any() else np.array([[0, 0], [size - 1, size - 1]])
    around = max(1, size // 16)
    return np.maximum(places.min(0) - around, 0), np.minimum(places.max(0) + 1 + around, size)
