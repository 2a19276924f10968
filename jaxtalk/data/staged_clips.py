"""What became of one video, as one file: its records, or why it has none. Blocks are put together of such files.

    STAGE/<digest of the clip's name>.zip     outcome.json, and 0/speech.npy, 0/frames.npy, ... of piece 0, 1, ...

A file appears whole or not at all. So a preparation that was interrupted goes on with the first clip that has none,
and a worker hands back a name, not pictures.
"""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxtalk.data.video_layouts import Source
from jaxtalk.errors import InputError
from jaxtalk.io import output

_OUTCOME = "outcome.json"


class Outcome(NamedTuple):
    """What became of a video."""

    clip: str
    person: str
    pieces: int
    frames: int
    reason: str  # it was set aside; empty if it was not
    split: str = ""  # that its set puts it in, as in `known_sets.Told`


def path(stage: Path, source: Source) -> Path:
    """Where the file of a video is."""
    return stage / f"{hashlib.sha256(source.clip.encode()).hexdigest()[:24]}.zip"


def write(stage: Path, source: Source, make: Callable[[Source], Iterable[dict]]) -> None:
    """Makes the records of a video and writes them as they come. Whatever goes wrong with the video sets it aside.

    Raises:
        InputError: the file cannot be written; that is no fault of the video.
    """
    broken: list[str] = []

    def careful() -> Iterator[dict]:
        try:
            yield from make(source)
        except Exception as error:  # whatever a strange file provokes in a decoder or a network
            broken.append(one_line(error, f"{source.path}: "))

    with output.atomic(path(stage, source)) as temporary:
        pieces, frames = 0, 0
        with zipfile.ZipFile(temporary, "w") as file:
            for pieces, made in enumerate(careful(), 1):
                frames += len(made["frames"])
                for name, value in arrays(made):
                    with file.open(f"{pieces - 1}/{name}.npy", "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, value, allow_pickle=False)
            if not broken:
                _note(file, Outcome(source.clip, source.person, pieces, frames, "", source.split))
        if broken:
            with zipfile.ZipFile(temporary, "w") as file:
                _note(file, Outcome(source.clip, source.person, 0, 0, broken[0], source.split))


def set_aside(stage: Path, source: Source, reason: str) -> None:
    """Writes that a video has no records, and why."""
    with output.atomic(path(stage, source)) as temporary, zipfile.ZipFile(temporary, "w") as file:
        _note(file, Outcome(source.clip, source.person, 0, 0, reason, source.split))


def outcome(file: Path) -> Outcome | None:
    """What became of a video; None if nothing did yet."""
    try:
        with zipfile.ZipFile(file) as content:
            return Outcome(**json.loads(content.read(_OUTCOME)))
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile):
        return None


def read(file: Path) -> Iterator[dict[str, object]]:
    """The records of a video."""
    known = outcome(file)
    with np.load(file, allow_pickle=False) as content:
        for piece in range(known.pieces if known else 0):
            names = [name.split("/")[1] for name in content.files if name.startswith(f"{piece}/")]
            yield record({name: content[f"{piece}/{name}"] for name in names})


def arrays(made: dict[str, object]) -> Iterator[tuple[str, np.ndarray]]:
    """A record as arrays without objects in them: frames as all their bytes and the length of each."""
    for name, value in made.items():
        if name == "frames":
            yield "lengths", np.array([len(frame) for frame in value])
            value = np.frombuffer(b"".join(value), np.uint8)
        yield name, np.asarray(value)


def record(stored: dict[str, np.ndarray]) -> dict[str, object]:
    """What `arrays` were made of."""
    made = {name: value if value.ndim else value.item() for name, value in stored.items()}  # texts have no axis
    if "lengths" in made:
        ends = np.cumsum(made.pop("lengths"))
        made["frames"] = [part.tobytes() for part in np.split(made["frames"], ends[:-1])]
    return made


def _note(file: zipfile.ZipFile, known: Outcome) -> None:
    file.writestr(_OUTCOME, json.dumps(known._asdict(), ensure_ascii=False))


def one_line(error: Exception, known: str = "") -> str:
    """What went wrong, in one line, without a beginning that the reader knows."""
    text = " ".join(str(error).split()).removeprefix(known)
    return text[:300] if isinstance(error, InputError) else f"{type(error).__name__}: {text}"[:300]
