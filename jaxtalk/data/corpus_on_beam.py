"""The synthetic corpus on Apache Beam: the clips that `corpus.write` makes, made by a pipeline (`on_beam`).

    DIR/stage/00000012.npz    a clip whose block is not whole yet
    DIR/stage/00000013.txt    why a clip could not be made in two tries
    DIR/set_aside.csv         all such clips; there only if there are any

Every file appears whole or not at all, and a clip depends on the seed and its index alone. So it does not matter how
often the pipeline is stopped, and whether a command with or without Beam goes on.
"""

import csv
import functools
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from jaxtalk.data import clip, corpus, on_beam, staged_clips
from jaxtalk.data.corpus_options import CorpusOptions
from jaxtalk.errors import InputError
from jaxtalk.io import output, output_folder

_TRIES = 2  # nothing is wrong with a clip that is made; what ends its process may be the machine


def check() -> None:
    """InputError where Apache Beam is missing."""
    on_beam.check()


def write(options: CorpusOptions) -> None:
    """Makes all clips of the blocks that are missing, and the blocks.

    Raises:
        InputError: the folder cannot be written.
    """
    directory = options.directory
    stage = directory / corpus.STAGE
    try:
        for left in directory.glob(".block-*.part"):  # by a process that was killed
            shutil.rmtree(left)
        parts = corpus.blocks(directory, options.clips)
        waiting = {path: indices for path, indices in parts if not corpus.finished(path)}
        if waiting:
            stage.mkdir(exist_ok=True)
            work = functools.partial(make, stage, options.seed, options.frames)
            aside, finish = functools.partial(set_aside, stage), functools.partial(finish_block, stage, options)
            on_beam.run(waiting, work, aside, finish, options.beam_options, _TRIES)
        _list_set_aside(directory, stage)
        shutil.rmtree(stage, ignore_errors=True)
    except OSError as error:
        raise InputError(f"{directory}: cannot be written ({error}); make room and run this again") from error


def make(stage: Path, seed: int, frames: int, index: int) -> None:
    """Writes clip `index` into the stage, if it is not there yet."""
    path = _staged(stage, index)
    if not path.exists():
        with output.atomic(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **dict(staged_clips.arrays(clip.example(seed, frames, index))))


def set_aside(stage: Path, index: int, why: str) -> None:
    """Notes that a clip could not be made."""
    with output.atomic(_staged(stage, index).with_suffix(".txt")) as temporary:
        temporary.write_text(why)


def finish_block(stage: Path, options: CorpusOptions, path: Path) -> None:
    """Makes a block of its staged clips, if it is not there yet."""
    indices = dict(corpus.blocks(options.directory, options.clips))[path]
    if not corpus.finished(path):
        made = [index for index in indices if _staged(stage, index).exists()]
        if not made:
            why = _staged(stage, indices[0]).with_suffix(".txt").read_text()
            raise InputError(f"{path}: none of its clips could be made ({why}); run jaxtalk corpus without --beam")
        shutil.rmtree(path, ignore_errors=True)  # what a command without Beam left
        with output_folder.atomic(path) as folder:
            corpus.write_block(folder, made, functools.partial(_examples, stage), options.frames)
    for index in indices:
        _staged(stage, index).unlink(missing_ok=True)


def _examples(stage: Path, indices: Iterable[int]) -> Iterator[dict[str, object]]:
    for index in indices:
        with np.load(_staged(stage, index), allow_pickle=False) as file:
            yield staged_clips.record(dict(file))


def _staged(stage: Path, index: int) -> Path:
    return stage / f"{index:08d}.npz"


def _list_set_aside(directory: Path, stage: Path) -> None:
    rows = [(int(path.stem), path.read_text()) for path in sorted(stage.glob("*.txt"))]
    if rows:
        with output.atomic(directory / "set_aside.csv") as temporary, temporary.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows([("index", "reason"), *rows])
