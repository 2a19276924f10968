"""Opens media files of unknown origin: only listed formats, only this file, no network, no playlists.

FFmpeg would by default follow an m3u8 or `concat:` "video" to any other file or address.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jaxtalk.errors import InputError

if TYPE_CHECKING:
    import av

# FFmpeg's names of the demuxers that read one self-contained file.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,flv,asf,gif,"
    "wav,w64,aiff,au,caf,flac,mp3,ogg,aac,ac3,eac3,amr"
)


def check(path: str | Path) -> Path:
    """The path of an existing, regular, non-empty file; InputError otherwise."""
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder; give a file")
        if not path.exists():
            raise InputError(f"{path}: does not exist; check the name")
        if not path.is_file():
            raise InputError(f"{path}: is no regular file; copy it to one")
        if path.stat().st_size == 0:
            raise InputError(f"{path}: is empty; export or download it again")
        with open(path, "rb"):
            return path
    except (OSError, ValueError) as error:  # no permission; a name too long or with a null in it
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


@contextlib.contextmanager
def reading(path: str | Path, wanted: str) -> "Iterator[av.container.InputContainer]":
    """An open container; `wanted` ("sound", "video") says in the error what the file was meant to hold.

    Raises:
        InputError: `check` fails, or no listed format is recognised.
    """
    import av

    path = check(path)
    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
    try:
        # The prefix keeps a name such as "concat:a|b" from being taken for a protocol.
        container = av.open("file:" + os.path.abspath(path), container_options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise InputError(f"{path}: holds no {wanted} that can be read; convert it to {_common(wanted)}") from error
    with container:
        yield container


def _common(wanted: str) -> str:
    return "wav, flac, ogg, mp3 or m4a" if wanted == "sound" else "mp4 (H.264)"
