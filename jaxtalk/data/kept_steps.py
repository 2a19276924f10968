"""Steps of long work that are kept in a folder, so that an interrupted run goes on and loses little.

A file appears whole or not at all and is made only where it is missing. An array that takes long grows a piece at a
time: NAME.part holds its rows, NAME.rows says how many of them are whole. Who goes on there gets the same bytes.
"""

import contextlib
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from jaxtalk.data import record_blocks
from jaxtalk.errors import InputError
from jaxtalk.io import output


def once(path: Path, write: Callable[[Path], None]) -> None:
    """`write`s the file if it is missing."""
    if not path.is_file():
        with output.atomic(path) as temporary:
            write(temporary)


def arrays(path: Path, **named: object) -> None:
    """Writes an .npz."""
    with path.open("wb") as file:  # numpy would add .npz to the name
        np.savez(file, **named)


def grown(to: Path, shape: tuple[int, ...], rows: Callable[[int], Iterable], what: str, piece: int) -> None:
    """Writes the bytes [shape] that `rows(start)` yields from row `start` on, if the .npy is missing.

    After each `piece` rows they are kept. `what` is done is told by a bar.
    """
    part, note = to.with_suffix(".part"), to.with_suffix(".rows")
    if not to.is_file():
        done = int(note.read_text()) if note.is_file() and part.is_file() else 0
        array = np.lib.format.open_memmap(part, "r+" if done else "w+", np.uint8, shape)
        for k, row in enumerate(tqdm(rows(done), what, shape[0], initial=done, disable=None), done):
            array[k] = row
            if (k + 1) % piece == 0:
                array.flush()
                with output.atomic(note) as written:
                    written.write_text(str(k + 1))
        array.flush()
        os.replace(part, to)
    note.unlink(missing_ok=True)


def carried(path: Path | None, what: str, begin: Callable, go_on: Callable, rounds: int) -> tuple:
    """`begin()`, a NamedTuple of arrays, after so many rounds of `go_on`. What each reaches is kept in the .npz.

    The file stays; remove it when what came of it is written. Without one nothing is kept, nor told.
    """
    reached, done = begin(), 0
    with contextlib.suppress(TypeError, OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        with np.load(path, allow_pickle=False) as file:
            reached, done = type(reached)(*(file[name] for name in reached._fields)), int(file["done"])
    for k in tqdm(range(done, rounds), what, rounds, initial=done, disable=None if path else True):
        reached = go_on(reached)
        if path:
            with output.atomic(path) as temporary:
                arrays(temporary, done=k + 1, **{name: np.asarray(x) for name, x in reached._asdict().items()})
    return reached


@contextlib.contextmanager
def claimed(folder: Path, note: str, settings: dict, kind: str, *kept: str) -> Iterator[None]:
    """Claims the folder (`record_blocks`). A refusal (InputError) in the block gives it back: `note`, the files `kept`
    and what an interruption left go, and with them folders that were not there before.
    """
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    record_blocks.claim(folder, note, settings, kind)
    try:
        yield
    except InputError:
        for path in [*(folder / name for name in (note, *kept)), *folder.glob(".*.part")]:
            path.unlink(missing_ok=True)
        for one in dict.fromkeys([folder, *new]):
            with contextlib.suppress(OSError):  # something else is in it
                one.rmdir()
        raise
