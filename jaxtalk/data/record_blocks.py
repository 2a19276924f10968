"""Blocks of records on disk: each a TFDS dataset in ArrayRecord with splits; many are read as one, in random access."""

import contextlib
import io
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import grain
import tensorflow_datasets as tfds

from jaxtalk.errors import InputError

SPLITS = ("train", "validation", "test")
CLIPS, SUMMARY = "clips.json", "summary.json"  # what became of a block's clips; how much a whole prepared set has
_QUIET = threading.Lock()  # standard output is the process's; Beam writes blocks from several threads


def claim(directory: Path, name: str, settings: dict, kind: str) -> None:
    """Makes the directory that of a data set of this kind: the file `name` in it says with which settings it is made.

    Raises:
        InputError: it is that of another one, or something else is in it.
    """
    note = directory / name
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if note.exists():
            if json.loads(note.read_text()) != settings:
                raise InputError(f"{directory}: holds a {kind} with other settings (see {note}); choose another folder")
            return
        if any(directory.iterdir()):
            raise InputError(f"{directory}: is not empty and holds no {kind}; choose another folder")
        draft = note.with_suffix(".tmp")
        draft.write_text(json.dumps(settings, ensure_ascii=False, indent=1))
        os.replace(draft, note)
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(f"{directory}: cannot hold a {kind} ({error}); choose another folder") from error


def write(builder: tfds.core.DatasetBuilder, folder: Path) -> None:
    """Prepares a dataset whose `data_dir` is `folder`; TFDS renames it to its name when it is whole."""
    tfds.disable_progress_bar()
    with _QUIET, contextlib.redirect_stdout(io.StringIO()):  # tfds prints what it does; a bar of ours tells that
        builder.download_and_prepare()
    shutil.rmtree(folder / "downloads", ignore_errors=True)  # tfds makes it for any dataset


def read(folders: Iterable[Path], split: str) -> grain.MapDataset | None:
    """The records of a split of all datasets, in the order of `folders`; None if there are none."""
    builders = [tfds.builder_from_directory(folder) for folder in folders]
    sources = [builder.as_data_source(split) for builder in builders if split in builder.info.splits]
    if not sources:
        return None
    return grain.MapDataset.concatenate([grain.MapDataset.source(source) for source in sources])


def prepared(directory: Path) -> Iterator[Path]:
    """The finished blocks of what `jaxtalk prepare` wrote, in order."""
    return iter(sorted(path.parent for path in directory.glob(f"block-*/{CLIPS}")))


def read_prepared(
    directory: Path, split: str, dataset: Callable[[Path], Path], note: str, version: str, kind: str, source: str
) -> grain.MapDataset | None:
    """The records of a split of what `jaxtalk prepare` wrote; None if there are none.

    `dataset`: from a block to where its records are; `note`: the file that says how the set is made; `kind`: of what
    its records are; `source`: what the command calls that of which it is made.

    Raises:
        InputError: no finished preparation of this version is there.
    """
    again = f"run jaxtalk prepare {source} {directory}"
    try:
        found = json.loads((directory / note).read_text())["version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{directory}: holds no prepared {kind}; {again}") from error
    if found != version:
        raise InputError(f"{directory}: holds records of version {found}, not {version}; prepare them anew")
    if not (directory / SUMMARY).is_file():
        raise InputError(f"{directory}: is not finished; {again} again to go on")
    return read(filter(Path.is_dir, map(dataset, prepared(directory))), split)
