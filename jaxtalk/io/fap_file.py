"""The text format of MPEG-4 facial animation parameters, .fap, as the reference encoder and players write it.

    2.1 NAME FPS FRAMES
    0 0 1 1 ... 0          68 mask bits: the parameters that the frame gives
    0 120 -31 ...          the frame's number, counted from 0, and a whole number for each mask bit that is 1
    ...                    two such lines for each frame; lines that start with # and empty lines are skipped

Parameter 1 (viseme) gives four numbers: select1, select2, blend, def; parameter 2 (expression) six: select1,
intensity1, select2, intensity2, init_face, def.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxtalk.errors import InputError
from jaxtalk.face import fap
from jaxtalk.face.fap_stream import EXPRESSION, VISEME, FapStream
from jaxtalk.io import container, output

VERSIONS = ("2.1", "2.2")  # alike on disk
LARGEST = 2**31 - 1
_WHOLE, _NUMBER = re.compile("[+-]?[0-9]{1,12}"), re.compile("[0-9]{1,12}([.][0-9]{0,17})?")


def write(path: str | Path, stream: FapStream) -> None:
    """Writes a stream, whole or not at all; `read` gives back the same numbers, and the same numbers the same bytes.

    Raises:
        InputError: `path` cannot be written, or the stream holds what the format cannot.
    """
    output.check(path, (".fap",))
    _check(path, stream)
    fps = int(stream.fps) if stream.fps == int(stream.fps) else repr(float(stream.fps))
    lines = [f"{stream.version} {stream.name} {fps} {len(stream)}"]
    lines += [lines_of(stream, k) for k in range(len(stream))]
    with output.atomic(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def lines_of(stream: FapStream, place: int, number: int | None = None) -> str:
    """The two lines of the frame at `place`; `number` is what the file counts it as, if that is another."""
    mask, number = stream.selected[place], place if number is None else number
    high = [*stream.viseme[place][: 4 * mask[0]], *stream.expression[place][: 6 * mask[1]]]
    bits = " ".join("1" if bit else "0" for bit in mask)
    return bits + "\n" + " ".join(map(str, [number, *high, *stream.values[place][2:][mask[2:]]]))


def read(path: str | Path) -> FapStream:
    """Reads a .fap file.

    Raises:
        InputError: no file, or one that is no such text; names the line.
    """
    lines = _lines(container.check(path))
    version, name, fps, frames = _header(path, next(lines, None))
    values, masks, visemes, expressions = [], [], [], []
    for line in lines:
        if len(values) == frames:
            raise _wrong(path, line.number, f"goes on after the {frames} frames of the header")
        mask = _mask(path, line)
        below = next(lines, None)
        if below is None:
            raise _wrong(path, line.number, f"is the mask of frame {len(values)}, and its values are missing")
        row = _values(path, below, mask, frame=len(values))
        viseme, expression, rest = np.split(row, [4 * mask[0], 4 * mask[0] + 6 * mask[1]])
        _check_fields(path, below.number, viseme, VISEME)
        _check_fields(path, below.number, expression, EXPRESSION)
        full = np.zeros(fap.COUNT, np.int64)
        full[2:][mask[2:]] = rest
        values.append(full)
        masks.append(mask)
        visemes.append(viseme if mask[0] else np.zeros(4, np.int64))
        expressions.append(expression if mask[1] else np.zeros(6, np.int64))
    if len(values) != frames:
        raise InputError(f"{path}: ends after {len(values)} of {frames} frames; get the whole file")
    tracks = (np.stack(track) for track in (values, masks, visemes, expressions))
    return FapStream(*tracks, fps, name, version)


class _Line(NamedTuple):
    number: int  # from 1
    words: list[str]


def _lines(path: Path) -> Iterator[_Line]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is no .fap text ({type(error).__name__}); give an MPEG-4 .fap file") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield _Line(number, line.split())


def _wrong(path, number, what) -> InputError:
    return InputError(f"{path}: line {number} {what}; get or write the file again")


def _header(path, line: _Line | None) -> tuple[str, str, float, int]:
    if line is None:
        raise InputError(f"{path}: holds no lines; give an MPEG-4 .fap file")
    wanted = "must be the header '2.1 NAME FPS FRAMES'"
    if len(line.words) < 4 or line.words[0] not in VERSIONS:
        raise _wrong(path, line.number, wanted)
    version, *name, fps, frames = line.words  # some programs write names with spaces
    if not (_NUMBER.fullmatch(fps) and _WHOLE.fullmatch(frames)):
        raise _wrong(path, line.number, wanted)
    fps, frames = float(fps), int(frames)
    if not 0 < fps <= 1000:
        raise _wrong(path, line.number, f"gives {fps} frames a second, which is not above 0 and up to 1000")
    if frames < 1:
        raise _wrong(path, line.number, f"promises {frames} frames")
    return version, " ".join(name), fps, frames


def _mask(path, line: _Line) -> np.ndarray:
    if len(line.words) != fap.COUNT:
        raise _wrong(path, line.number, f"has {len(line.words)} mask bits instead of {fap.COUNT}")
    strange = next((word for word in line.words if word not in ("0", "1")), None)
    if strange is not None:
        raise _wrong(path, line.number, f"has the mask bit {strange[:20]!r}, which is neither 0 nor 1")
    return np.array([word == "1" for word in line.words])


def _values(path, line: _Line, mask, frame: int) -> np.ndarray:
    """The frame's numbers after its index."""
    strange = next((word for word in line.words if not _WHOLE.fullmatch(word)), None)
    if strange is not None:
        raise _wrong(path, line.number, f"has {strange[:20]!r}, which is no whole number of up to 12 digits")
    numbers = [int(word) for word in line.words]
    if numbers[0] != frame:
        raise _wrong(path, line.number, f"is of frame {numbers[0]} where frame {frame} belongs")
    wanted = int(mask[2:].sum() + 4 * mask[0] + 6 * mask[1])
    if len(numbers) - 1 != wanted:
        raise _wrong(path, line.number, f"has {len(numbers) - 1} values where its mask selects {wanted}")
    if max(map(abs, numbers)) > LARGEST:
        raise _wrong(path, line.number, "has a value beyond 32 bits")
    return np.array(numbers[1:], np.int64)


def _check_fields(path, number, fields, limits: dict[str, int]) -> None:
    for value, (name, most) in zip(fields, limits.items(), strict=False):  # no fields where not selected
        if not 0 <= value <= most:
            raise _wrong(path, number, f"has {name} {value}, which is not 0 to {most}")


def _check(path, stream: FapStream) -> None:
    """Refuses to write what `read` would not read, or would read as something else."""
    if stream.version not in VERSIONS or stream.name.split() != stream.name.split(" ") or not stream.name:
        raise InputError(
            f"{path}: cannot be named {stream.name!r} (version {stream.version}); use words without breaks"
        )
    if not (math.isfinite(stream.fps) and 0 < stream.fps <= 1000) or not len(stream):
        raise InputError(f"{path}: cannot hold {len(stream)} frames at {stream.fps} a second; give at least one frame")
    loose = stream.values[~stream.selected].any() or stream.values[:, :2].any()
    loose = loose or stream.viseme[~stream.selected[:, 0]].any() or stream.expression[~stream.selected[:, 1]].any()
    if loose or np.abs(stream.values).max() > LARGEST:
        raise InputError(f"{path}: holds values that its masks do not select or that need over 32 bits; select them")
    for fields, limits in ((stream.viseme, VISEME), (stream.expression, EXPRESSION)):
        if ((fields < 0) | (fields > np.array(list(limits.values()))[None])).any():
            raise InputError(f"{path}: has a viseme or expression field out of range ({limits}); mend the stream")
