"""Sound from files: any rate, any number of channels, from audio files and from the sound track of videos.

Values are float32 with full scale at 1; a float file on another scale (holding 16-bit integers, say) is scaled to
peak 1 with a message. Time zero is the start of the file, so in a video the sound stays in step
with the picture. Silence is sound; a file without samples is not.
"""

import logging
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from jaxtalk.errors import InputError
from jaxtalk.io import container

log = logging.getLogger("jaxtalk")

RATES = (4_000, 768_000)  # Hz: what is taken for a sampling rate; a broken header says anything
BLOCK = 1 << 16  # samples read at a time
HEADROOM = 2.0  # codecs overshoot full scale a little; beyond this the numbers are on another scale

Block = Float32[np.ndarray, "n c"]


class Source(NamedTuple):
    """Sound as it is in the file, read block by block."""

    rate: int  # Hz
    channels: int
    blocks: Iterator[Block]


def load(path: str | Path, rate: int = 16_000) -> Float32[np.ndarray, "n"]:
    """Mono sound in [-1, 1] at `rate` Hz: the mean of the channels, resampled with soxr HQ.

    A file that ends early gives what is there, with a message.

    Raises:
        InputError: no file, no sound in it, no samples, NaN or infinite values.
    """
    source = open_source(path)
    mono = (block.mean(axis=1, dtype=np.float32) for block in source.blocks)
    return np.clip(np.concatenate(list(_resampled(mono, source.rate, rate))), -1.0, 1.0)  # codecs overshoot


def original(path: str | Path) -> tuple[Block, int]:
    """All channels at the file's own rate, and that rate in Hz. For long files use `open_source`."""
    source = open_source(path)
    return np.concatenate(list(source.blocks)), source.rate


def duration(path: str | Path) -> float:
    """Seconds of sound, found by decoding (headers of cut or streamed files lie), in constant memory."""
    source = open_source(path)
    return sum(len(block) for block in source.blocks) / source.rate


def open_source(path: str | Path) -> Source:
    """The sound of a file in blocks. Reading a block may raise InputError as in `load`.

    wav, flac, ogg and mp3 are read by libsndfile; all else, videos included, by FFmpeg.
    """
    container.check(path)
    source = _soundfile_source(path) or _container_source(path)
    if not RATES[0] <= source.rate <= RATES[1]:
        raise InputError(f"{path}: has a sampling rate of {source.rate} Hz; resample it to 16000 Hz or more")
    return source._replace(blocks=_checked(path, source.blocks))


def _checked(path, blocks: Iterator[Block]) -> Iterator[Block]:
    empty = True
    for block in blocks:
        if not np.isfinite(block).all():
            raise InputError(f"{path}: holds NaN or infinite samples; export it again")
        empty = empty and not len(block)
        yield block
    if empty:
        raise InputError(f"{path}: holds no sound (zero samples); give a file with speech")


def _resampled(mono: Iterator[Float32[np.ndarray, "n"]], source_rate: int, rate: int):
    import soxr

    if source_rate == rate:
        yield from mono
        return
    stream = soxr.ResampleStream(source_rate, rate, 1, dtype="float32", quality="HQ")
    for block in mono:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def _soundfile_source(path) -> Source | None:
    """None if libsndfile does not know the file."""
    import soundfile

    try:
        file = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, TypeError):  # TypeError: *.raw, which has no header
        return None
    return Source(file.samplerate, file.channels, _soundfile_blocks(path, file))


def _soundfile_blocks(path, file) -> Iterator[Block]:
    import soundfile

    rate, count, scale = file.samplerate, 0, _scale(path, file)
    with file:
        try:
            while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
                count += len(block)
                yield block / scale
        except soundfile.LibsndfileError as error:
            if not count:
                raise InputError(f"{path}: its sound cannot be decoded ({error}); export it again") from error
            _warn_cut(path, count / rate, None)
            return
        expected = _wav_frames(path) or file.frames
    if count and count < expected < 1 << 40:  # streamed flac and ogg say "unknown" with a huge number
        _warn_cut(path, count / rate, expected / rate)


def _scale(path, file) -> np.float32:
    """What full scale is in the file: 1, but for float files far beyond it, whose peak is taken."""
    if file.subtype not in ("FLOAT", "DOUBLE"):
        return np.float32(1)
    peak = max((np.abs(block).max() for block in file.blocks(BLOCK, dtype="float32")), default=np.float32(0))
    file.seek(0)
    if not HEADROOM < peak < np.inf:  # NaN too; the block that holds it is refused later
        return np.float32(1)
    log.warning("%s: values reach %.3g where full scale is 1; scaled down to it", path, peak)
    return peak


def _warn_cut(path, seconds, expected) -> None:
    promised = f" of {expected:.2f} s" if expected else ""
    log.warning("%s: is cut off or damaged; going on with the first %.2f s%s", path, seconds, promised)


def _wav_frames(path) -> int | None:
    """Frames that a RIFF header promises (libsndfile reports those that are there); None if it does not say."""
    with open(path, "rb") as file:
        if file.read(4) != b"RIFF" or file.seek(8) != 8 or file.read(4) != b"WAVE":
            return None
        align = None
        while len(head := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", head)
            if name == b"fmt ":
                align = struct.unpack("<12xH", file.read(14).ljust(14, b"\0"))[0]
                size -= 14
            if name == b"data":  # a writer that streams leaves 0 or -1
                return size // align if align and 0 < size < 0xFFFFFF00 else None
            file.seek(max(size, 0) + size % 2, 1)
    return None


def _container_source(path) -> Source:
    blocks = _container_blocks(path)
    rate, channels = next(blocks)  # the header, so that errors show up now
    return Source(rate, channels, blocks)


def _container_blocks(path):
    """First (rate, channels), then the blocks, starting with silence if the sound begins later than the file."""
    import av

    with container.reading(path, "sound") as media:
        stream = next(iter(media.streams.audio), None)
        if stream is None:
            raise InputError(f"{path}: has no sound track; give a file with speech")
        rate, channels = stream.rate, stream.channels
        if not rate or not channels:
            raise InputError(f"{path}: its sound cannot be decoded (unknown codec); convert it to wav")
        yield rate, channels
        to_float = av.AudioResampler(format="fltp", layout=stream.layout, rate=rate)
        delay = float((stream.start_time or 0) * stream.time_base) - (media.start_time or 0) / av.time_base
        if 1e-3 < delay < 60:
            yield np.zeros((round(delay * rate), channels), np.float32)
        count, errors = 0, 0
        try:
            for packet in media.demux(stream):
                try:
                    for frame in packet.decode():
                        for part in to_float.resample(frame):
                            count += part.samples
                            yield np.ascontiguousarray(part.to_ndarray().T)
                except (av.error.FFmpegError, ValueError):  # ValueError: rate or layout changes on the way
                    errors += 1
        except av.error.FFmpegError:
            errors += 1
        if not count:
            raise InputError(f"{path}: its sound cannot be decoded; convert it to wav")
        promised = float((stream.duration or 0) * stream.time_base)
        if errors or count / rate < promised - 0.2:
            _warn_cut(path, count / rate, promised)
