"""Meshes that talk as rows of sound and a few numbers: what CodeTalker, FaceFormer and VOCA learn from.

    FACEGOOD's weights or the synthetic corpus, on any rig  -> facegood(...), corpus_clip(...)
    a record of VOCASET or BIWI (`data.mesh_clips`)         -> recorded(...)

Numbers are those of a `face.motion_basis`, for every frame of the network's frame rate; `moments` rows of sound belong
to each frame.
"""

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

import grain
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float32, Int

from jaxtalk.audio import mel, speech_windows
from jaxtalk.data import clips, facegood_meshes, host_rows
from jaxtalk.data.head_clips import text
from jaxtalk.data.lip_clips import between
from jaxtalk.errors import InputError
from jaxtalk.face.arkit import INDEX
from jaxtalk.face.model import FaceModel
from jaxtalk.face.motion_basis import MotionBasis

Ear = Callable[[Float[np.ndarray, "c 80"], Float[np.ndarray, "r"]], Float32[np.ndarray, "r f"]]  # systems.motion_ear
_PACE = 0.12  # natural logarithm of the largest change of pace
_SENTENCE = (2.0, 5.0)  # seconds, at least and at most


class Rig:
    """What ARKit's coefficients do to the vertices of a face model."""

    def __init__(self, model: FaceModel):
        own = [k for k, name in enumerate(model.expression_names) if name in INDEX]
        if not own:
            raise InputError("the face model has none of ARKit's shapes; give one that has, for example ICT's")
        self.moves = np.asarray(model.expression, np.float32)[own]
        self.columns = [INDEX[model.expression_names[k]] for k in own]  # of coefficients


@dataclasses.dataclass(frozen=True)
class Recording:
    """Someone talking: whole vertices or, with `coefficients`, what a rig makes of them."""

    name: str
    speaker: str
    mel: Float32[np.ndarray, "c 80"]  # normalised
    fps: float
    moves: Float32[np.ndarray, "m v 3"]  # what each coefficient does; without them, the offsets of each frame
    coefficients: Float32[np.ndarray, "n m"] | None = None

    @property
    def frames(self) -> int:
        return len(self.moves if self.coefficients is None else self.coefficients)

    def offsets(self, frames: Int[np.ndarray, "f"]) -> Float32[np.ndarray, "f v 3"]:
        """How far vertices are from rest."""
        if self.coefficients is None:
            return self.moves[frames]
        return np.tensordot(self.coefficients[frames], self.moves, 1)

    def numbers(self, basis: MotionBasis) -> Float32[np.ndarray, "n k"]:
        """They are linear, so shapes are turned into numbers instead of frames."""
        moved = basis.numbers(self.moves)
        return moved if self.coefficients is None else self.coefficients @ moved


def facegood(sound: Path, weights: Path, rig: Rig) -> Recording:
    """A recording of FACEGOOD."""
    expression, fps = facegood_meshes.expression(weights)
    return Recording(weights.stem, "facegood", clips.listen(sound), fps, rig.moves, expression[:, rig.columns])


def corpus_clip(record: dict, rig: Rig) -> Recording:
    """A record of the synthetic corpus, its mouth in the common articulation, which alone can be heard."""
    said = clips.synthetic(record)
    return Recording(said.name, "corpus", said.mel, said.fps, rig.moves, said.expression[:, rig.columns])


def recorded(record: dict) -> Recording:
    """A record of `mesh_clips`."""
    sound = jnp.asarray(record["speech"], jnp.float32) / 32768
    spectrum = speech_windows.normalise(np.asarray(mel.log_mel(sound)))
    offsets = np.asarray(record["vertices"], np.float32) - np.asarray(record["template"], np.float32)[None]
    return Recording(text(record["name"]), text(record["subject"]), spectrum, float(record["fps"]), offsets)


def sample(recordings: Iterable[Recording], each: int, seed: int = 0) -> Float32[np.ndarray, "s v 3"]:
    """So many frames of each recording, for a basis; one recording is in memory at a time."""
    rng = np.random.default_rng(seed)
    return np.concatenate([r.offsets(np.sort(rng.integers(r.frames, size=each))) for r in recordings])


@dataclasses.dataclass(frozen=True)
class TalkingMesh:
    """Someone talking, as networks see it."""

    name: str
    speaker: int  # whose style
    sound: Float32[np.ndarray, "r f"]  # `moments` rows a frame
    level: Float[np.ndarray, "n"]  # mean of the normalised log-mel at each frame
    motion: Float32[np.ndarray, "n k"]

    def part(self, name: str, start: int, stop: int) -> "TalkingMesh":
        """Some frames of it."""
        moments = len(self.sound) // len(self.motion)
        return TalkingMesh(
            name, self.speaker, self.sound[moments * start : moments * stop],
            self.level[start:stop], self.motion[start:stop],
        )  # fmt: skip


def heard(
    recording: Recording, basis: MotionBasis, speaker: int, ear: Ear, fps: float, moments: int = 1
) -> TalkingMesh:
    """At a network's frame rate."""
    frames = max(1, int(recording.frames / recording.fps * fps + 1e-6))
    place = np.arange(frames) / fps * recording.fps
    column = np.rint(np.arange(frames) / fps * mel.COLUMNS_PER_SECOND).astype(int)
    return TalkingMesh(
        name=recording.name,
        speaker=speaker,
        sound=ear(recording.mel, np.arange(frames * moments) / (fps * moments)),
        level=recording.mel.mean(-1)[column.clip(0, len(recording.mel) - 1)],
        motion=between(recording.numbers(basis), place),
    )


def sentences(mesh: TalkingMesh, fps: float) -> list[TalkingMesh]:
    """Cut where it is quietest, every 2 to 5 seconds; a rest of less than a second is left out."""
    least, most = (round(seconds * fps) for seconds in _SENTENCE)
    smooth = np.convolve(mesh.level, np.ones(5) / 5, mode="same")
    parts, start = [], 0
    while len(mesh.motion) - start > most:
        stop = start + least + int(np.argmin(smooth[start + least : start + most]))
        parts.append((start, stop))
        start = stop
    parts.append((start, len(mesh.motion)))
    return [mesh.part(f"{mesh.name} {a / fps:.0f} s", a, b) for a, b in parts if b - a >= fps]


class Pieces:
    """Pieces of so many frames, each at its own pace."""

    def __init__(self, meshes: list[TalkingMesh], frames: int, moments: int = 1, paced: bool = True):
        self.meshes, self._frames, self._moments, self._paced = meshes, frames, moments, paced
        self._owner = np.repeat(np.arange(len(meshes)), [-(-len(mesh.motion) // frames) for mesh in meshes])

    def __len__(self) -> int:
        return len(self._owner)

    def piece(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """`sound` [r, f], `motion` [t, k], `speaker`; `length`: frames before the end of a short recording."""
        chosen = self.meshes[self._owner[index]]
        count, pace = len(chosen.motion), np.exp(rng.uniform(-_PACE, _PACE)) if self._paced else 1.0
        start = rng.uniform(0, max(0.0, count - 1 - (self._frames - 1) * pace))
        place = start + np.arange(self._frames) * pace
        rows = self._moments * start + np.arange(self._moments * self._frames) * pace
        length = int((place <= count - 1).sum())
        return {
            "sound": between(chosen.sound, rows),
            "motion": between(chosen.motion, place),
            "speaker": np.int32(chosen.speaker),
            "length": np.int32(length),
        }


def stream(pieces: Pieces, batch: int, seed: int) -> grain.MapDataset:
    """Endless batches in shuffled order."""
    return host_rows.mixed([(len(pieces), pieces.piece, 1.0)], batch, seed)


def together(meshes: list[TalkingMesh]) -> dict[str, np.ndarray]:
    """Whole meshes as a batch; shorter ones are filled up with their last frame."""
    longest = max(len(mesh.motion) for mesh in meshes)
    moments = len(meshes[0].sound) // len(meshes[0].motion)

    def filled(x: np.ndarray, length: int) -> np.ndarray:
        return np.concatenate([x, np.repeat(x[-1:], length - len(x), axis=0)])

    return {
        "sound": np.stack([filled(mesh.sound, moments * longest) for mesh in meshes]),
        "motion": np.stack([filled(mesh.motion, longest) for mesh in meshes]),
        "speaker": np.array([mesh.speaker for mesh in meshes], np.int32),
        "length": np.array([len(mesh.motion) for mesh in meshes], np.int32),
    }
