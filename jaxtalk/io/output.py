"""Files appear whole or not at all: written under a temporary name beside the target, renamed at the end."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from jaxtalk.errors import InputError


def check(path: str | Path, suffixes: tuple[str, ...] = ()) -> Path:
    """Makes sure, before any long work, that `path` can be written, and returns it with symbolic links resolved.

    `suffixes` (lower case, with the dot) are the file types that the writer knows; empty means any.

    Raises:
        InputError: the folder is missing or not writable, the target is no regular file, or the type is unknown.
    """
    path = Path(path)
    if suffixes and path.suffix.lower() not in suffixes:
        raise InputError(f"{path}: cannot write this type of file; name it {' or '.join('*' + s for s in suffixes)}")
    with _beside(path):
        return Path(os.path.realpath(path))


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yields an empty temporary file beside `path` that takes its place when the block ends without an exception.

    On any exception, Ctrl-C included, the temporary file is removed and what was at `path` stays.

    Raises:
        InputError: as `check`, or the disk is full.
    """
    with _beside(Path(path)) as temporary:
        yield temporary
        os.replace(temporary, os.path.realpath(path))


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    try:
        target = Path(os.path.realpath(path))  # replace what a link points to, not the link
        if target.is_dir():
            raise InputError(f"{path}: is a folder; give a file name to write to")
        if target.exists() and not target.is_file():  # os.replace would put a file in the place of, say, /dev/null
            raise InputError(f"{path}: is no regular file, so it cannot be replaced; give another name")
        if not target.parent.is_dir():
            raise InputError(f"{path}: the folder {target.parent} does not exist; create it or write elsewhere")
        temporary = target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}.part")
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); write elsewhere") from error
    try:
        yield temporary
    except OSError as error:
        if temporary.name in str(error.filename or temporary):  # not about some other file
            raise InputError(f"{path}: writing failed ({error.strerror or error}); is the disk full?") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)
