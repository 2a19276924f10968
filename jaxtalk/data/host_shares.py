"""Files that all processes of a run make together, once: each makes its share and waits for the rest.

A file appears whole or not at all, and one that is there is not made again; so an interruption costs the files that
were being made. All processes must see the same folder.
"""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
from tqdm import tqdm

from jaxtalk.errors import InputError
from jaxtalk.io import output

log = logging.getLogger("jaxtalk")

PATIENCE = 10.0  # seconds until it is said that others are waited for


def make(paths: Sequence[Path], write: Callable[[int, Path], None], what: str) -> None:
    """Makes those of `paths` that are missing: `write(k, path)` writes the k-th under the name that it is given.

    Raises:
        InputError: a folder cannot be written.
    """
    count, process = jax.process_count(), jax.process_index()
    missing = [k for k in range(process, len(paths), count) if not paths[k].is_file()]
    for k in tqdm(missing, desc=what, unit="part", disable=None if process == 0 and len(missing) > 1 else True):
        with output.atomic(paths[k]) as temporary:
            write(k, temporary)
    others, begun = list(paths), time.monotonic()
    while others := [path for path in others if not path.is_file()]:
        if time.monotonic() - begun > PATIENCE:
            log.info("waiting for %d parts of %s from other processes, in %s", len(others), what, others[0].parent)
            begun = float("inf")
        time.sleep(0.5)


def folder(path: Path) -> Path:
    """The folder, made if it is not there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be made ({error.strerror}); give a folder of yours with --kept") from error
    return path
