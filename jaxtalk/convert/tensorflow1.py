"""Reads TensorFlow's checkpoints of variables (`NAME.index`, `NAME.data-00000-of-00001`) without TensorFlow.

The index is a sorted table as LevelDB writes it: blocks of keys, each given by how it differs from the one before, and
a footer that says where the block of blocks is. A value is a protocol buffer: type and shape of a variable, where its
bytes lie in the data, and their checksum. The graph in `NAME.meta` is not looked at. Only files of one part and
without compression are read, which is what TensorFlow 1 wrote.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from jaxtalk.errors import InputError

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48  # bytes
_TYPES = {1: np.float32, 2: np.float64, 3: np.int32, 9: np.int64}  # TensorFlow's numbers
_POLYNOMIAL = 0x82F63B78  # of CRC-32C, reflected


def read(path: str | Path, wanted: str = "") -> dict[str, np.ndarray]:
    """The variables whose names start with `wanted`. `path` is the checkpoint's name, or that of one of its files.

    Raises:
        InputError: no such files, damaged, or in parts.
    """
    stem = Path(str(path).removesuffix(".index").removesuffix(".meta").removesuffix(".data-00000-of-00001"))
    index, data = (Path(f"{stem}{end}") for end in (".index", ".data-00000-of-00001"))
    try:
        table, values = index.read_bytes(), data.read_bytes()
    except OSError as error:
        raise InputError(
            f"{error.filename}: cannot be read ({error.strerror}); a TensorFlow checkpoint is NAME.index and "
            "NAME.data-00000-of-00001, side by side"
        ) from error
    try:
        entries = {key.decode(): _message(value) for key, value in _entries(table) if key}
        names = [name for name in entries if name.startswith(wanted)]
        return {name: _array(name, entries[name], values) for name in names}
    except (ValueError, IndexError, KeyError, TypeError, struct.error) as error:
        raise InputError(
            f"{index}: is no index of a TensorFlow checkpoint or damaged ({error}); get it again"
        ) from error


def _entries(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of all blocks, in order."""
    if len(table) < _FOOTER or struct.unpack("<Q", table[-8:])[0] != _MAGIC:
        raise ValueError("it does not end as one")
    footer, at = table[-_FOOTER:], 0
    for _ in range(2):  # of the block of filters, which there are none of, and of the index
        at = _varint(footer, at)[1]
    for _, place in _block(table, *_handle(footer, at)):
        yield from _block(table, *_handle(place, 0))


def _handle(data: bytes, at: int) -> tuple[int, int]:
    start, at = _varint(data, at)
    return start, _varint(data, at)[0]


def _block(table: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    if table[start + size] != 0:
        raise ValueError("it is compressed")
    block = table[start : start + size]
    end, at, key = size - 4 - 4 * struct.unpack("<I", block[-4:])[0], 0, b""
    while at < end:
        (shared, at), (more, at), (length, at) = _three(block, at)
        key = key[:shared] + block[at : at + more]
        yield key, block[at + more : at + more + length]
        at += more + length


def _three(data: bytes, at: int) -> list[tuple[int, int]]:
    found = []
    for _ in range(3):
        number, at = _varint(data, at)
        found.append((number, at))
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number, seven bits a byte, lowest first; and where the next thing is."""
    number = 0
    for place in range(10):
        number |= (data[at + place] & 127) << (7 * place)
        if data[at + place] < 128:
            return number, at + place + 1
    raise ValueError("a number does not end")


def _message(data: bytes) -> dict[int, list]:
    """The fields of a protocol buffer by number: integers, and bytes of what is within."""
    fields, at = {}, 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(data, at)
        elif kind == 2:
            length, at = _varint(data, at)
            value, at = data[at : at + length], at + length
        elif kind == 5:
            value, at = struct.unpack_from("<I", data, at)[0], at + 4
        else:
            raise ValueError(f"a field is of kind {kind}")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _array(name: str, entry: dict[int, list], values: bytes) -> np.ndarray:
    """A variable: 1 is its type, 2 its shape, 3 the part, 4 and 5 where it is, 6 its checksum, 7 slices."""
    if 7 in entry or entry.get(3, [0]) != [0]:
        raise ValueError(f"{name} is in parts")
    axes = [_message(axis).get(1, [0])[0] for shape in entry.get(2, []) for axis in _message(shape).get(2, [])]
    start, size = entry.get(4, [0])[0], entry.get(5, [0])[0]
    data = values[start : start + size]
    if len(data) != size or checksum(data) != entry[6][0]:
        raise ValueError(f"the bytes of {name} are not what was written")
    return np.frombuffer(data, np.dtype(_TYPES[entry[1][0]]).newbyteorder("<")).reshape(axes)


def checksum(data: bytes) -> int:
    """CRC-32C, turned as LevelDB does so that a checksum of checksums is no trap."""
    crc, table = 0xFFFFFFFF, _remainders()
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _remainders() -> list[int]:
    table = []
    for number in range(256):
        for _ in range(8):
            number = (number >> 1) ^ (_POLYNOMIAL if number & 1 else 0)
        table.append(number)
    return table
