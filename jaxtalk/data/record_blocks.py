"""Blocks of records on disk: each a TFDS dataset in ArrayRecord with splits; many are read as one, in random access."""

import contextlib
import io
import shutil
from collections.abc import Iterable
from pathlib import Path

import grain
import tensorflow_datasets as tfds

SPLITS = ("train", "validation", "test")


def write(builder: tfds.core.DatasetBuilder, folder: Path) -> None:
    """Prepares a dataset whose `data_dir` is `folder`; TFDS renames it to its name when it is whole."""
    tfds.disable_progress_bar()
    with contextlib.redirect_stdout(io.StringIO()):  # tfds prints what it does; a bar of ours tells that
        builder.download_and_prepare()
    shutil.rmtree(folder / "downloads", ignore_errors=True)  # tfds makes it for any dataset


def read(folders: Iterable[Path], split: str) -> grain.MapDataset | None:
    """The records of a split of all datasets, in the order of `folders`; None if there are none."""
    builders = [tfds.builder_from_directory(folder) for folder in folders]
    sources = [builder.as_data_source(split) for builder in builders if split in builder.info.splits]
    if not sources:
        return None
    return grain.MapDataset.concatenate([grain.MapDataset.source(source) for source in sources])
