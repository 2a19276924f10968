"""Folders of recordings of any size: an index that is made once, and pieces that are read from the files themselves.

    FOLDER/**/*.flac ... --listing: path, size, time of change--> KEPT/index-HASH/part-*.json --> SoundFiles
    SoundFiles[k][first:last] --seek, decode--> int16 at 16 kHz

FLAC and PCM wav at 16 kHz are read where they are; seeking in an hour of FLAC costs what it costs in ten seconds of it.
Every other kind or rate is decoded once into FLAC in KEPT/flac. KEPT is FOLDER/.jaxtalk unless another is given. What
has a name that begins with a dot is no recording.
"""

import concurrent.futures
import dataclasses
import functools
import hashlib
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from jaxtyping import Int16

from jaxtalk.audio import load
from jaxtalk.data import host_shares
from jaxtalk.data.speech_crops import RATE, REACH
from jaxtalk.errors import InputError
from jaxtalk.io import output

log = logging.getLogger("jaxtalk")

SUFFIXES = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a"}
KEPT = ".jaxtalk"
VERSION = 1  # of the index
PART = 1000  # files in a part of the index
NAMED = 3  # files that a warning names
_THREADS = 8  # that look at files: most of the time is waiting for disks
_SEEKABLE = {"FLAC", "WAV", "WAVEX"}
_PCM = {"PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32"}  # others have no scale of their own


class Listed(NamedTuple):
    """A file as the folder lists it: what is checked to see whether an index still holds."""

    path: str  # in the folder
    size: int  # bytes
    changed: int  # ns


class Entry(NamedTuple):
    """What the index says of a file."""

    path: str
    samples: int  # at 16 kHz; 0 where it cannot be used
    copy: str  # in KEPT/flac; empty where the file itself is read
    reason: str  # why it cannot be used


@dataclasses.dataclass(frozen=True)
class Sound:
    """A recording on disk: `sound[first:last]` reads these samples [n], int16, and nothing else."""

    path: str
    samples: int

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, part: slice) -> Int16[np.ndarray, "n"]:
        """What a damaged place of a file should hold is silence, with one message for each file.

        Raises:
            InputError: the file cannot be opened.
        """
        first, last, _ = part.indices(self.samples)
        try:
            file = soundfile.SoundFile(self.path)
        except (soundfile.LibsndfileError, OSError) as error:
            raise InputError(f"{self.path}: cannot be read any more ({error}); is the disk there?") from error
        with file:
            try:
                file.seek(first)
                found = file.read(max(0, last - first), dtype="int16", always_2d=True)
            except soundfile.LibsndfileError:
                found = np.zeros((0, 1), np.int16)
        mono = found[:, 0] if found.shape[1] == 1 else np.rint(found.mean(axis=1)).astype(np.int16)
        if len(mono) < last - first:
            _say_damaged(self.path)
            mono = np.pad(mono, (0, last - first - len(mono)))
        return mono


class SoundFiles(Sequence):
    """The recordings of a folder in the order of their paths. `identity` changes when any of them does."""

    def __init__(self, folder: Path, kept: Path, entries: Sequence[Entry], identity: str):
        self._folders, self.identity = (str(folder), str(kept / "flac")), identity
        self._entries = [(entry.copy or entry.path, bool(entry.copy)) for entry in entries]
        self._samples = np.array([entry.samples for entry in entries], np.int64)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Sound:
        name, copied = self._entries[index]
        return Sound(os.path.join(self._folders[copied], name), int(self._samples[index]))


def find(folder: Path, kept: Path | None = None) -> SoundFiles:
    """All recordings in a folder and the folders in it. What cannot be used is left out, with one warning.

    Raises:
        InputError: there is none, or the index cannot be written.
    """
    folder = Path(folder)
    files = listing(folder)
    if not files:
        raise InputError(f"{folder}: holds no recordings ({', '.join(sorted(SUFFIXES))}); give a folder with speech")
    kept = host_shares.folder(kept or folder / KEPT)
    told = json.dumps([VERSION, files], ensure_ascii=True)
    identity = hashlib.sha256(told.encode()).hexdigest()[:16]
    place = host_shares.folder(kept / f"index-{identity}")
    host_shares.folder(kept / "flac")
    parts = [place / f"part-{k:05d}.json" for k in range(-(-len(files) // PART))]

    def write(part: int, path: Path) -> None:
        with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
            look = functools.partial(_entry, folder, kept)
            found = list(pool.map(look, files[part * PART : (part + 1) * PART]))
        path.write_text(json.dumps(found, ensure_ascii=False), "utf-8")

    host_shares.make(parts, write, f"the index of {folder}")
    entries = [Entry(*row) for part in parts for row in json.loads(part.read_text("utf-8"))]
    usable = [entry for entry in entries if not entry.reason]
    _say_left_out(folder, [entry for entry in entries if entry.reason])
    if not usable:
        raise InputError(f"{folder}: none of {len(entries)} recordings can be used; see above")
    return SoundFiles(folder, kept, usable, identity)


def listing(folder: Path) -> list[Listed]:
    """All files that look like sound, by path. Links are followed; names that begin with a dot are left out."""
    found = []
    for base, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith("."):
                path = os.path.join(base, name)
                stat = os.stat(path)
                found.append(Listed(os.path.relpath(path, folder), stat.st_size, stat.st_mtime_ns))
    return sorted(found)


def _entry(folder: Path, kept: Path, listed: Listed) -> Entry:
    path, copy = folder / listed.path, ""
    try:
        samples = _samples_in_place(path)
        if samples is None:
            copy = hashlib.sha256(repr(listed).encode()).hexdigest()[:32] + ".flac"
            samples = _copied(path, kept / "flac" / copy)
    except InputError as error:
        return Entry(listed.path, 0, "", str(error))
    reason = "" if samples >= REACH else f"{path}: lasts {1000 * samples / RATE:.0f} ms; a frame has 25 ms"
    return Entry(listed.path, samples, copy, reason)


def _samples_in_place(path: Path) -> int | None:
    """Of a file that is at 16 kHz and can be read from anywhere up to its end; None of any other."""
    try:
        with soundfile.SoundFile(path) as file:
            if file.format not in _SEEKABLE or file.subtype not in _PCM or file.samplerate != RATE:
                return None
            end = min(file.frames, REACH)
            file.seek(file.frames - end)
            return file.frames if len(file.read(end, dtype="int16")) == end else None
    except (soundfile.LibsndfileError, OSError):  # cut off, or not what it is called
        return None


def _copied(path: Path, copy: Path) -> int:
    """Decodes what can be decoded into FLAC at 16 kHz, unless that is there already."""
    if not copy.is_file():
        parts = load.stream(path, RATE)
        with output.atomic(copy) as temporary:
            with soundfile.SoundFile(temporary, "w", RATE, 1, "PCM_16", format="FLAC") as file:
                for part in parts:
                    file.write(np.rint(part * 32767).astype(np.int16))
    return soundfile.info(copy).frames


def _say_left_out(folder: Path, entries: Sequence[Entry]) -> None:
    if entries:
        named = "; ".join(entry.reason for entry in entries[:NAMED]) + "; ..." * (len(entries) > NAMED)
        log.warning("%s: %d recordings cannot be used and are left out: %s", folder, len(entries), named)


@functools.cache
def _say_damaged(path: str) -> None:
    log.warning("%s: is damaged; what cannot be read is taken for silence", path)
