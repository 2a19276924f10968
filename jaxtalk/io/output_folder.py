"""Folders of files that belong together appear whole or not at all, as `jaxtalk.io.output` does for one file."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from jaxtalk.errors import InputError


def check(path: Path) -> Path:
    """Makes sure, before any long work, that `atomic` can write a folder there. InputError if not."""

    class Untouched(Exception):
        pass

    with contextlib.suppress(Untouched), atomic(path):
        raise Untouched  # nothing takes its place
    return path


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yields an empty folder beside `path` that takes its place when the block ends without an exception.

    On any exception, Ctrl-C included, the folder is removed with all that is in it.

    Raises:
        InputError: something but an empty folder is at `path`, or it cannot be made.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}.part")
    try:
        if target.exists() and not (target.is_dir() and not any(target.iterdir())):
            raise InputError(f"{path}: is there already and not an empty folder; give another name")
        if not target.parent.is_dir():
            raise InputError(f"{path}: the folder {target.parent} does not exist; create it or write elsewhere")
        temporary.mkdir()
    except OSError as error:
        raise InputError(f"{path}: cannot be made ({error.strerror}); write elsewhere") from error
    try:
        yield temporary
        if target.is_dir():
            target.rmdir()  # Windows does not replace even an empty one
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
