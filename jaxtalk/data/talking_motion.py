"""People who talk as rows of sound and the motion of 68 points: what GeneFace's networks of motion learn from.

    a record of the synthetic corpus     -> of_recording(clips.synthetic(record), ear, head(record))
    a video with a face tracker's output -> of_recording(clips.tracked(...), ear)
    a prepared person's video            -> of_person(folder, ear)

The motion is what the expression does to the 68 points of the built-in face: where they are less where they rest, in
units of 5 mm, with the axes of `jaxtalk.face`, 25 frames a second. It is linear in the expression and knows nothing of
the identity, so it can be added to anyone's neutral points. Rows 2 i and 2 i + 1 of the sound, 50 a second, are what
is heard where frame i is seen (people are seen `speech_windows.LEAD` before they are heard).
"""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import grain.python as grain
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float32

from jaxtalk.audio import mel, speech_windows
from jaxtalk.data import clips, host_rows, person_video
from jaxtalk.data.clip import FPS
from jaxtalk.data.lip_clips import between
from jaxtalk.errors import InputError
from jaxtalk.face import builtin

UNIT = 0.005  # metres
ROWS = 2  # of sound to a frame
Ear = Callable[[Float[np.ndarray, "c 80"], Float[np.ndarray, "r"]], Float32[np.ndarray, "r f"]]  # systems.motion_ear
_PACE = 0.12  # natural logarithm of the largest change of pace


@dataclasses.dataclass(frozen=True)
class TalkingMotion:
    """Someone talking."""

    name: str
    sound: Float32[np.ndarray, "r f"]  # two rows a frame
    motion: Float32[np.ndarray, "n 204"]
    pose: Float32[np.ndarray, "n 6"]  # rotation in radians and translation in metres; 0 where nobody looked

    def part(self, frames: slice) -> "TalkingMotion":
        """Some frames of it; a slice of step 1 with a start and an end."""
        rows = slice(ROWS * frames.start, ROWS * frames.stop)
        return dataclasses.replace(self, sound=self.sound[rows], motion=self.motion[frames], pose=self.pose[frames])


@functools.cache
def _moves() -> Float32[np.ndarray, "52 204"]:
    """What one unit of each ARKit-52 coefficient does to the points."""
    model = builtin.model()
    moves = np.asarray(model.expression)[:, np.asarray(model.landmarks)]
    return (moves / UNIT).reshape(len(moves), -1).astype(np.float32)


def of_expression(expression: Float[np.ndarray, "n 52"]) -> Float32[np.ndarray, "n 204"]:
    """The motion that ARKit-52 coefficients make."""
    return np.asarray(expression, np.float32) @ _moves()


def row_seconds(frames: int, lead: float) -> Float[np.ndarray, "r"]:
    """When the rows of so many frames are heard, in seconds of the recording."""
    return np.arange(ROWS * frames) / (ROWS * FPS) + lead


def of_recording(recording: clips.Recording, ear: Ear, pose: Float[np.ndarray, "n 6"] | None = None) -> TalkingMotion:
    """A recording of any frame rate. `pose`: at its frames."""
    frames = max(1, round(len(recording.expression) / recording.fps * FPS))
    place = np.arange(frames) / FPS * recording.fps
    turned = np.zeros((len(recording.expression), 6), np.float32) if pose is None else np.asarray(pose, np.float32)
    return TalkingMotion(
        name=recording.name,
        sound=ear(recording.mel, row_seconds(frames, recording.lead)),
        motion=of_expression(between(recording.expression, place)),
        pose=between(turned, place),
    )


def head(record: dict) -> Float32[np.ndarray, "n 6"]:
    """Rotation and translation of a record of the synthetic corpus."""
    return np.concatenate([record["rotation"], record["translation"]], axis=-1).astype(np.float32)


class Parts(NamedTuple):
    """A person's video."""

    train: TalkingMotion  # what is learnt from
    held_out: TalkingMotion


def of_person(folder: Path, ear: Ear) -> Parts:
    """A prepared person. InputError if there is none, or if the video was silent."""
    person = person_video.read(folder)
    if person.speech is None:
        raise InputError(
            f"{folder}: the video is silent, and from silence no motion is learnt; prepare one with speech"
        )
    spectrum = mel.log_mel(jnp.asarray(person.speech, jnp.float32) / 32768)
    spectrum = np.asarray(speech_windows.normalise(spectrum))
    face = person.face
    whole = TalkingMotion(
        name=person.notes["video"],
        sound=ear(spectrum, row_seconds(person.frames, speech_windows.LEAD)),
        motion=of_expression(face["expression"]),
        pose=np.concatenate([face["angles"], face["translation"]], axis=-1).astype(np.float32),
    )
    return Parts(whole.part(person.train), whole.part(person.held_out))


class MotionPieces:
    """Pieces of so many frames of people who talk, each at its own pace."""

    def __init__(self, people: list[TalkingMotion], frames: int):
        self.people, self._frames = people, frames
        self._owner = np.repeat(np.arange(len(people)), [-(-len(p.motion) // frames) for p in people])

    def __len__(self) -> int:
        return len(self._owner)

    def piece(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """`sound` [2 t, f], `motion` [t, 204], `pose` [t, 6]; `mask` [t] is 0 behind the end of a short recording.

        `pose` is relative to its mean over the recording.
        """
        chosen = self.people[self._owner[index]]
        length, pace = len(chosen.motion), np.exp(rng.uniform(-_PACE, _PACE))
        start = rng.uniform(0, max(0.0, length - 1 - (self._frames - 1) * pace))
        place = start + np.arange(self._frames) * pace
        rows = ROWS * start + np.arange(ROWS * self._frames) * pace
        own = (place <= length - 1).astype(np.float32)
        return {
            "sound": between(chosen.sound, rows) * np.repeat(own, ROWS)[:, None],
            "motion": between(chosen.motion, place) * own[:, None],
            "pose": between(chosen.pose - chosen.pose.mean(0), place),
            "mask": own,
        }


def stream(sources: list[tuple[MotionPieces, float]], batch: int, seed: int) -> grain.MapDataset:
    """Endless batches in which each source has its share; each source in its own shuffled order."""
    return host_rows.mixed([(len(source), source.piece, share) for source, share in sources], batch, seed)


def beside(others: MotionPieces, own: MotionPieces, batch: int, seed: int) -> grain.MapDataset:
    """Endless batches of pieces of others, each with a piece of the person's own under names that begin with `own_`."""

    def both(index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        mine = own.piece(int(rng.integers(len(own))), rng)
        return others.piece(index, rng) | {f"own_{name}": values for name, values in mine.items()}

    pieces = grain.MapDataset.range(len(others)).seed(seed).shuffle().repeat().random_map(both)
    return host_rows.batches(pieces, batch)
