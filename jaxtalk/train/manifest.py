"""Size and SHA-256 of every file of a folder, in one file of it, so that damage is found before anything is loaded.

Arrays on disk carry no checksum of their own: a flipped bit in them restores without a word.
"""

import hashlib
import json
import os
from pathlib import Path

NAME = "manifest.json"


def write(folder: Path) -> None:
    """Hashes all files below `folder` and lists them in its manifest; on return everything has reached the disk."""
    files = {path.relative_to(folder).as_posix(): _entry(path, sync=True) for path in _files(folder)}
    write_json(folder / NAME, {"files": files, "sha256": _seal(files)})
    for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        sync_folder(path)


def fault(folder: Path) -> str | None:
    """What is wrong with a folder that `write` finished, in a few words; None where it is as it was written.

    Files that the manifest does not list are nobody's business: file systems leave such things.
    """
    try:
        content = json.loads((folder / NAME).read_text())
        files = content["files"]
        if content["sha256"] != _seal(files):
            return f"{NAME} is damaged"
        expected = {name: (int(entry["bytes"]), str(entry["sha256"])) for name, entry in files.items()}
    except FileNotFoundError:
        return f"no {NAME}" if any(folder.iterdir()) else "an empty folder"
    except OSError as error:
        return f"{NAME}: {error.strerror}"
    except (ValueError, KeyError, TypeError, AttributeError):  # ValueError: neither JSON nor text
        return f"{NAME} is damaged"
    faults = (_fault(folder / name, size, digest) for name, (size, digest) in expected.items())
    return next((f"{name}: {wrong}" for name, wrong in zip(expected, faults, strict=True) if wrong), None)


def write_json(path: Path, content: dict) -> None:
    """A JSON file that is there as a whole or not at all, whenever the process dies."""
    unfinished = path.with_name(path.name + ".part")
    with open(unfinished, "w") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def sync_folder(folder: Path) -> None:
    """Brings a folder's names to the disk: what was renamed in it stays renamed when the power fails."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / NAME)


def _seal(files: dict) -> str:
    """The manifest's own SHA-256, so that its damage is not blamed on another file."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _entry(path: Path, sync: bool = False) -> dict[str, int | str]:
    with open(path, "rb") as file:
        if sync:
            os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), "sha256": digest}


def _fault(path: Path, size: int, digest: str) -> str | None:
    try:
        there = path.stat().st_size  # sizes first: they are free
        if there != size:
            return f"{there} bytes instead of {size}"
        return None if _entry(path)["sha256"] == digest else "its SHA-256 differs"
    except FileNotFoundError:
        return "missing"
    except OSError as error:  # what a failing disk answers
        return f"cannot be read ({error.strerror})"
