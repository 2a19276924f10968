"""Clips of talking heads, and pairs of their frames: what face-vid2vid learns from.

    a record of the synthetic corpus, some of its frames drawn       -> drawn(...)
    a record with frames (`jaxtalk corpus --frames`, talking videos) -> filmed(...)
    folder/NAME.npz, made once from either                           -> write(...), read(...)

Every frame of a clip is cut out by the same square, that of its mean landmarks, so the head moves as in the video.
"""

import dataclasses
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import grain.python as grain
import numpy as np
import tqdm
from jaxtyping import Float, Float32, Int, UInt8
from PIL import Image
from scipy.spatial.transform import Rotation

from jaxtalk.data import articulation, clip, host_rows, phonemes
from jaxtalk.errors import InputError
from jaxtalk.face import face_points
from jaxtalk.face.crop import Frame
from jaxtalk.face.head_square import head_square
from jaxtalk.io import output

_STYLE = [field.name for field in dataclasses.fields(articulation.Style)]
_CANVAS = 2  # side of a drawn frame over that of its crop
_MIRRORED = np.array([-1.0, 1.0, -1.0], np.float32)  # yaw, pitch, roll
_JITTER = 0.1  # of brightness, contrast and each colour, as published


@dataclasses.dataclass(frozen=True)
class HeadClip:
    """Pictures of someone talking, and the motion of the whole clip."""

    name: str
    person: str  # clips of one person have the same
    frames: UInt8[np.ndarray, "n s s 3"]
    shown: Int[np.ndarray, "n"]  # which of the clip's frames these are, ascending
    expression: Float32[np.ndarray, "t 52"]
    rotation: Float32[np.ndarray, "t 3"]  # (pitch, yaw, roll) in radians, as `jaxtalk.face` has it
    translation: Float32[np.ndarray, "t 3"]  # metres

    def angles(self) -> Float32[np.ndarray, "n 3"]:
        """(yaw, pitch, roll) of the head in each picture, as `models.keypoints.rotation` has it."""
        return degrees(self.rotation[self.shown])


def degrees(rotation: Float[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n 3"]:
    """(pitch, yaw, roll) in radians of `face.rotation` to (yaw, pitch, roll) in degrees of `models.keypoints.rotation`.

    Both turn the same head the same way: the one with y up and z towards the viewer, the other with y down and z away.
    """
    pitch, yaw, roll = Rotation.from_matrix(face_points.rotation(rotation)).as_euler("XYZ", degrees=True).T
    return np.stack([yaw, pitch, roll], -1).astype(np.float32)


def drawn(record: dict, seed: int, size: int, count: int) -> HeadClip:
    """`count` frames of a record of the synthetic corpus with this seed, spread over the clip, at `size` pixels."""
    from jaxtalk.data import clip_frames  # jax starts only where something is drawn

    whole = pictured(record)
    shown = spread(len(whole.expression), count)
    video = clip_frames.render(whole.only(shown), seed, int(record["index"]), _CANVAS * size)
    return _cut(record, video.frames, video.landmarks, shown, size)


def pictured(record: dict) -> clip.Clip:
    """A record of the synthetic corpus as a clip of which only pictures can be made."""
    nothing, silence = np.zeros(0, np.int32), np.zeros(0, np.float32)
    return clip.Clip(
        text="",
        language="",
        voice="",
        speech=np.zeros(0, np.int16),
        phonemes=phonemes.Track(nothing, silence, silence, nothing),
        style=int(record["style"]),
        articulation=articulation.Style(**dict(zip(_STYLE, np.asarray(record["articulation"]).tolist(), strict=True))),
        **{name: np.asarray(record[name]) for name in ("expression", "rotation", "translation", "blink", "identity")},
    )


def filmed(record: dict, size: int, count: int) -> HeadClip:
    """`count` frames of a record that has frames, spread over the clip, at `size` pixels."""
    shown = spread(len(record["frames"]), count)
    return _cut(record, [record["frames"][i] for i in shown], record["landmarks"][shown], shown, size)


def name(record: dict) -> str:
    """Of a clip, as good for a file."""
    if "index" in record:
        return f"corpus-{int(record['index']):06d}"
    return f"{text(record['name']).replace('/', '-')}-{int(record['start']):06d}"


def text(value: bytes | str) -> str:
    """Of a record's field: tfds gives bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)


def spread(frames: int, count: int) -> Int[np.ndarray, "n"]:
    """At most `count` of a clip's frames, evenly spaced."""
    return np.unique(np.linspace(0, frames - 1, min(count, frames)).round().astype(int))


def _cut(record, frames, landmarks, shown, size) -> HeadClip:
    from jaxtalk.face.detect import cut

    square = head_square(landmarks.mean(0))
    frame = Frame(square.centre, np.float64(square.side), np.float64(0.0))
    pictures = [cut(Image.open(io.BytesIO(picture)).convert("RGB"), frame, size) for picture in frames]
    motion = (np.asarray(record[key], np.float32) for key in ("expression", "rotation", "translation"))
    person = text(record["person"]) if "person" in record else name(record)
    return HeadClip(name(record), person, np.stack(pictures), shown, *motion)


def write(folder: Path, makers: Mapping[str, Callable[[], HeadClip]]) -> None:
    """Makes the clips, by their names, that are not in `folder` yet, so a run that was stopped goes on."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in tqdm.tqdm(makers.items(), desc=f"heads into {folder}", disable=None):
        path = folder / f"{name}.npz"
        if not path.exists():
            with output.atomic(path) as temporary, temporary.open("wb") as file:
                np.savez(file, **dataclasses.asdict(make()))


def read(path: Path) -> HeadClip:
    """What `write` wrote. InputError if it is something else."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {field.name: file[field.name] for field in dataclasses.fields(HeadClip)}
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: is no clip of a head ({error}); remove it and run this again") from error
    return HeadClip(**arrays | {name: str(arrays[name]) for name in ("name", "person")})


class Pairs:
    """Two frames of one clip, a source and a driving one, from the first `share` of each clip or from what is left."""

    def __init__(self, clips: Sequence[HeadClip], share: float = 1.0):
        self._clips = clips
        self._angles = [one.angles() for one in clips]
        self._kept = [max(2, round(share * len(one.frames))) for one in clips]

    def __len__(self) -> int:
        return len(self._clips)

    def pair(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """`source` and `driving` [s, s, 3] from 0 to 1 and their `_angles` [3], mirrored and tinted at random."""
        places = rng.choice(self._kept[index], 2, replace=False)
        frames = self._clips[index].frames[places].astype(np.float32) / 255
        angles = self._angles[index][places]
        if rng.random() < 0.5:
            frames, angles = frames[:, :, ::-1], angles * _MIRRORED
        return _named(tint(rng, frames), angles)

    def held_out(self, index: int, count: int) -> list[dict[str, np.ndarray]]:
        """`count` frames of what is left of a clip, driving its very first frame."""
        left = np.arange(self._kept[index], len(self._clips[index].frames))
        driving = left[spread(len(left), count)]
        places = np.stack([np.zeros_like(driving), driving], -1)
        frames, angles = self._clips[index].frames[places].astype(np.float32) / 255, self._angles[index][places]
        return [_named(*pair) for pair in zip(frames, angles, strict=True)]


def _named(frames, angles) -> dict[str, np.ndarray]:
    names = ("source", "driving")
    return dict(zip(names, frames, strict=True)) | {
        f"{name}_angles": value for name, value in zip(names, angles, strict=True)
    }


def tint(rng: np.random.Generator, frames: Float32[np.ndarray, "n h w 3"]) -> Float32[np.ndarray, "n h w 3"]:
    """Other light and colours, the same for all frames."""
    gain = 1 + rng.uniform(-_JITTER, _JITTER, 3) + rng.uniform(-_JITTER, _JITTER)
    contrast = rng.uniform(-_JITTER, _JITTER)
    middle = frames.mean()
    return np.clip((frames - middle) * (1 + contrast) * gain + middle * gain, 0, 1).astype(np.float32)


def stream(pairs: Pairs, batch: int, seed: int) -> grain.MapDataset:
    """Endless batches of pairs, every clip as often as the others."""
    order = grain.MapDataset.range(len(pairs)).seed(seed).shuffle().repeat()
    return host_rows.batches(order.random_map(pairs.pair), batch)
