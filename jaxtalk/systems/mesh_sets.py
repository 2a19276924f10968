"""Meshes that talk, as they are published: VOCASET and BIWI, their splits, and one clip of them as a record.

    voca          FOLDER/data_verts.npy [n v 3], subj_seq_to_idx.pkl {subject: {sentence: {frame: row}}},
                  raw_audio_fixed.pkl {subject: {sentence: {audio, sample_rate}}}, templates.pkl {subject: [v 3]}
    codetalker    FOLDER/vertices_npy/FaceTalk_170725_00137_TA_sentence01.npy [t 3v], wav/ with sound of the same names,
                  templates.pkl; so FaceFormer and CodeTalker lay out VOCASET (all 60 frames a second) and BIWI (F2_e01)

VOCASET: Cudeiro et al., CVPR 2019. BIWI: Fanelli et al., IEEE Transactions on Multimedia 2010. Pickles are read without
executing them.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soxr

from jaxtalk.audio import load
from jaxtalk.convert import pickles
from jaxtalk.data.clip import RATE
from jaxtalk.errors import InputError

LAYOUTS = ("voca", "codetalker")
_SHORTEST = 0.5  # seconds


class MeshSet(NamedTuple):
    """A published set. A split is named sentences of named subjects; what is in none of them was not used."""

    name: str
    fps: float
    splits: dict[str, tuple[frozenset[str], range]]

    def split(self, subject: str, sentence: str) -> str:
        """The split of a clip; empty if it is in none."""
        number = int(sentence[-2:])
        fits = (name for name, (who, which) in self.splits.items() if subject in who and number in which)
        return next(fits, "")


def _subjects(names: str) -> frozenset[str]:
    return frozenset(names.split())


_SEEN = _subjects("F2 F3 F4 M3 M4 M5")
# VOCA's config: people; sentences 21 to 40 are those that each speaker has for themselves.
VOCASET = MeshSet("vocaset", 60.0, {
    "train": (_subjects(
        "FaceTalk_170728_03272_TA FaceTalk_170904_00128_TA FaceTalk_170725_00137_TA FaceTalk_170915_00223_TA "
        "FaceTalk_170811_03274_TA FaceTalk_170913_03279_TA FaceTalk_170904_03276_TA FaceTalk_170912_03278_TA"
    ), range(1, 41)),
    "validation": (_subjects("FaceTalk_170811_03275_TA FaceTalk_170908_03277_TA"), range(21, 41)),
    "test": (_subjects("FaceTalk_170809_00138_TA FaceTalk_170731_00024_TA"), range(21, 41)),
})  # fmt: skip
# FaceFormer's: "test" is its BIWI-Test-B, of people never seen, "test_seen" its BIWI-Test-A.
BIWI = MeshSet("biwi", 25.0, {
    "train": (_SEEN, range(1, 33)),
    "validation": (_SEEN, range(33, 37)),
    "test": (_subjects("F1 F5 F6 F7 F8 M1 M2 M6"), range(37, 41)),
    "test_seen": (_SEEN, range(37, 41)),
})  # fmt: skip


class MeshClip(NamedTuple):
    """One sentence of one subject."""

    name: str
    subject: str
    sentence: str
    split: str  # empty: none


def layout_of(folder: Path, layout: str) -> str:
    """The layout of meshes that is asked for, or found if it is "auto"; empty if it is none of meshes."""
    if layout != "auto":
        return layout if layout in LAYOUTS else ""
    if not (folder / "templates.pkl").is_file():
        return ""
    if (folder / "data_verts.npy").is_file():
        return "voca"
    return "codetalker" if (folder / "vertices_npy").is_dir() else ""


def read(folder: Path, layout: str) -> "Voca | CodeTalker":
    """The set in a folder.

    Raises:
        InputError: a file is missing or is none of such a set.
    """
    return Voca(folder) if layout == "voca" else CodeTalker(folder)


class Voca:
    """VOCASET as VOCA's training reads it. Vertices stay on disk."""

    def __init__(self, folder: Path):
        self.set = VOCASET
        self._vertices = _array(folder / "data_verts.npy", mapped=True)
        self._rows, self._sounds, self._templates = (
            _pickle(folder / f"{name}.pkl") for name in ("subj_seq_to_idx", "raw_audio_fixed", "templates")
        )

    def clips(self) -> list[MeshClip]:
        """All clips, in the order of their names."""
        pairs = [(subject, sentence) for subject, sentences in self._rows.items() for sentence in sentences]
        return [_clip(self.set, f"{subject}_{sentence}") for subject, sentence in sorted(pairs)]

    def record(self, clip: MeshClip) -> dict[str, Any]:
        """What `mesh_clips.features` describe. InputError says why a clip is of no use."""
        rows = self._rows[clip.subject][clip.sentence]
        if sorted(rows) != list(range(len(rows))):
            raise InputError("frames are missing")
        sound = self._sounds.get(clip.subject, {}).get(clip.sentence)
        if sound is None:
            raise InputError("has no sound")
        vertices = self._vertices[[rows[frame] for frame in range(len(rows))]]
        speech = _resampled(np.asarray(sound["audio"]), float(sound["sample_rate"]))
        return _record(self.set, clip, vertices, speech, self._templates)


class CodeTalker:
    """VOCASET or BIWI as FaceFormer and CodeTalker read them."""

    def __init__(self, folder: Path):
        self._folder, self._templates = folder, _pickle(folder / "templates.pkl")
        self._names = sorted(path.stem for path in (folder / "vertices_npy").glob("*.npy"))
        if not self._names:
            raise InputError(f"{folder / 'vertices_npy'}: holds no .npy; give the folder that has it and wav/")
        self.set = VOCASET if self._names[0].startswith("FaceTalk_") else BIWI

    def clips(self) -> list[MeshClip]:
        """All clips, in the order of their names."""
        return [_clip(self.set, name) for name in self._names]

    def record(self, clip: MeshClip) -> dict[str, Any]:
        """What `mesh_clips.features` describe. InputError says why a clip is of no use."""
        sound = self._folder / "wav" / f"{clip.name}.wav"
        if not sound.is_file():
            raise InputError("has no sound")
        vertices = _array(self._folder / "vertices_npy" / f"{clip.name}.npy")
        return _record(self.set, clip, vertices, _samples(load.load(sound)), self._templates)


def _clip(mesh_set: MeshSet, name: str) -> MeshClip:
    subject, _, sentence = name.rpartition("_")
    if not re.fullmatch(r"(sentence|e)?\d\d", sentence) or not subject:
        raise InputError(f"{name}: is no name in {mesh_set.name}, SUBJECT_sentence01 or SUBJECT_e01; rename its files")
    return MeshClip(name, subject, sentence, mesh_set.split(subject, sentence))


def _record(mesh_set: MeshSet, clip: MeshClip, vertices, speech, templates) -> dict[str, Any]:
    if clip.subject not in templates:
        raise InputError("templates.pkl has no mesh of its subject")
    template = np.asarray(templates[clip.subject], np.float32).reshape(-1, 3)
    if vertices.shape[1:] not in ((len(template), 3), (3 * len(template),)):
        raise InputError(f"its meshes {vertices.shape[1:]} have other vertices than its template {template.shape}")
    count = min(len(vertices), int(len(speech) * mesh_set.fps / RATE))  # as far as both go
    if count < _SHORTEST * mesh_set.fps:
        raise InputError(f"has {len(vertices)} frames and {len(speech) / RATE:.2f} s of sound: too short")
    vertices = np.asarray(vertices[:count], np.float32).reshape(count, -1, 3)
    if not np.isfinite(vertices).all():
        raise InputError("has vertices that are no numbers")
    return {
        "name": clip.name,
        "subject": clip.subject,
        "sentence": clip.sentence,
        "fps": mesh_set.fps,
        "speech": speech[: round(count * RATE / mesh_set.fps)],
        "vertices": vertices,
        "template": template,
    }


def _resampled(sound: np.ndarray, rate: float) -> np.ndarray:
    """16 kHz, int16, mono, of samples of any kind."""
    scale = np.iinfo(sound.dtype).max if np.issubdtype(sound.dtype, np.integer) else 1.0
    sound = sound.astype(np.float32) / scale
    return _samples(soxr.resample(sound if sound.ndim == 1 else sound.mean(1), rate, RATE))


def _samples(sound: np.ndarray) -> np.ndarray:
    return np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)


def _array(path: Path, mapped: bool = False) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{path}: is no array ({error}); get it again") from error


def _pickle(path: Path) -> dict:
    value = pickles.read(path)
    if not isinstance(value, dict):
        raise InputError(f"{path}: holds no dictionary by subject; get it again")
    return value
