"""Faces that talk, cut as Wav2Lip sees them, with their sound: what its sync expert and its generator learn from.

    a video and its track (`face.tracks`)               -> filmed(...)
    a record of the synthetic corpus, its start drawn   -> drawn(...)
    folder/NAME.npz, made once from either              -> write(...), read(...)
    windows of 5 frames of clips                        -> Windows(...).pair, .speech

Pictures have 25 frames a second and the colours' order blue, green, red.
"""

import dataclasses
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import tqdm
from jaxtyping import Float, Float32, Int, UInt8
from PIL import Image
from scipy.ndimage import uniform_filter1d

from jaxtalk.audio import load, mel, speech_windows
from jaxtalk.data import head_clips
from jaxtalk.errors import InputError
from jaxtalk.face import mouth_crops, tracks
from jaxtalk.io import output, video
from jaxtalk.models.wav2lip_syncnet import FPS, FRAMES

NEAR, FAR = 5, 50  # frames by which a window that does not belong is off, at least and at most
_SMOOTHING = 5  # frames over which boxes are averaged, as published
_DRAWN = 192  # pixels of a drawn picture, of which the face is about half


@dataclasses.dataclass(frozen=True)
class SpokenFace:
    """Someone talking."""

    name: str
    faces: UInt8[np.ndarray, "t 96 96 3"]
    mel: Float32[np.ndarray, "c 80"]  # of `audio.mel.log_mel`, 80 columns a second
    late: float = 0.0  # seconds by which pictures come later than is usual, after their sound

    def columns(self, frame: Int[np.ndarray, "n"] | int) -> Int[np.ndarray, "*n 16"]:
        """Of the sound of 5 frames from each of these on."""
        start = np.trunc(mel.COLUMNS_PER_SECOND * (np.asarray(frame) / FPS - self.late)).astype(int)
        return (start[..., None] + np.arange(mel.SPAN)).clip(0, len(self.mel) - 1)


def filmed(path: str | Path, track: str | Path, late: float = 0.0) -> SpokenFace:
    """A video with its track, in every frame of which the face was found."""
    followed = tracks.load(track)
    pictures = list(video.frames(path, FPS))
    at = np.rint(np.arange(len(pictures)) / FPS * followed.fps).astype(int).clip(0, len(followed.landmarks) - 1)
    if not followed.confidence[at].all():
        raise InputError(f"{track}: the face is not there in all frames; cut the video to where it is")
    sound = np.asarray(mel.log_mel(jnp.asarray(load.load(path))))
    return SpokenFace(Path(track).stem, _cut(pictures, followed.landmarks[at]), sound, late)


def drawn(record: dict, seed: int, frames: int) -> SpokenFace:
    """The first frames of a record of the synthetic corpus with this seed, whose pictures come as late as people's."""
    from jaxtalk.data import clip_frames  # jax starts only where something is drawn

    whole = head_clips.pictured(record)
    shown = np.arange(min(frames, len(whole.expression)))
    made = clip_frames.render(whole.only(shown), seed, int(record["index"]), _DRAWN)
    pictures = [np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")) for picture in made.frames]
    sound = mel.log_mel(jnp.asarray(np.asarray(record["speech"], np.float32) / 32768))
    return SpokenFace(head_clips.name(record), _cut(pictures, made.landmarks), np.asarray(sound), speech_windows.LEAD)


def _cut(pictures: Sequence[np.ndarray], landmarks: Float[np.ndarray, "t 68 2"]) -> UInt8[np.ndarray, "t 96 96 3"]:
    boxes = uniform_filter1d(mouth_crops.detector_box(landmarks), _SMOOTHING, axis=0, mode="nearest")
    return np.stack([mouth_crops.wav2lip_face(*pair) for pair in zip(pictures, boxes, strict=True)])


def write(folder: Path, makers: Mapping[str, Callable[[], SpokenFace]]) -> None:
    """Makes the clips, by their names, that are not in `folder` yet, so a run that was stopped goes on."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in tqdm.tqdm(makers.items(), desc=f"faces into {folder}", disable=None):
        path = folder / f"{name}.npz"
        if not path.exists():
            with output.atomic(path) as temporary, temporary.open("wb") as file:
                np.savez(file, **dataclasses.asdict(make()))


def read(path: Path) -> SpokenFace:
    """What `write` wrote. InputError if it is something else."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return SpokenFace(str(file["name"]), file["faces"], file["mel"], float(file["late"]))
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: is no clip of a spoken face ({error}); remove it and run this again") from error


class Windows:
    """Windows of 5 frames from the first `share` of each clip or, with `rest`, from what is left behind it."""

    def __init__(self, clips: Sequence[SpokenFace], share: float = 1.0, rest: bool = False):
        self._clips, self._ranges = clips, []
        for one in clips:
            border = round(share * len(one.faces))
            first, end = (border, len(one.faces)) if rest else (0, border)
            self._ranges.append(range(first, end - FRAMES + 1))
            if len(self._ranges[-1]) <= 2 * NEAR:
                raise InputError(f"{one.name}: {end - first} frames are too few; give clips of {4 * FRAMES} and more")
        self._owner = np.repeat(np.arange(len(clips)), [-(-len(r) // FRAMES) for r in self._ranges])

    def __len__(self) -> int:
        return len(self._owner)

    def pair(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """`faces` [5, 96, 96, 3] of 255, `mel` [80, 16], and whether they belong `together`, which half of them do."""
        clip, start = self._chosen(index, rng)
        together = rng.random() < 0.5
        heard = start if together else self._other(index, start, rng)
        faces = _mirrored(clip.faces[start : start + FRAMES], rng)
        return {"faces": faces, "mel": clip.mel[clip.columns(heard)].T, "together": np.float32(together)}

    def speech(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """`faces` and `references`, 5 frames at another time; `mel` of all and `mels` [5, 80, 16] of each frame.

        A frame hears what two frames before it begins, as published.
        """
        clip, start = self._chosen(index, rng)
        other = self._other(index, start, rng)
        faces = np.stack([clip.faces[s : s + FRAMES] for s in (start, other)])
        faces, references = _mirrored(faces, rng)
        mels = np.swapaxes(clip.mel[clip.columns(start - 2 + np.arange(FRAMES))], 1, 2)
        return {"faces": faces, "references": references, "mel": clip.mel[clip.columns(start)].T, "mels": mels}

    def _chosen(self, index, rng) -> tuple[SpokenFace, int]:
        owner = self._owner[index]
        return self._clips[owner], int(rng.choice(self._ranges[owner]))

    def _other(self, index, start, rng) -> int:
        """The start of a window of the same clip that shares no frame with this one and is not too far away."""
        starts = np.asarray(self._ranges[self._owner[index]])
        apart = np.abs(starts - start)
        return int(rng.choice(starts[(apart >= NEAR) & (apart <= FAR)]))


def _mirrored(faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.ascontiguousarray(faces[..., ::-1, :]) if rng.random() < 0.5 else faces
