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
HEADROOM = 2.0  # codecs overshoot full scale a little (clipped); beyond this the numbers are on another scale

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
    return np.concatenate(list(stream(path, rate)))


def stream(path: str | Path, rate: int = 16_000) -> Iterator[Float32[np.ndarray, "n"]]:
    """What `load` gives, in parts, so that length does not cost memory."""
    source = open_source(path)
    mono = (block.mean(axis=1, dtype=np.float32) for block in source.blocks)
    for part in _resampled(mono, source.rate, rate):
        yield np.clip(part, -1.0, 1.0)


def original(path: str | Path) -> tuple[Block, int]:
    """All channels at the file's own rate, and that rate in Hz. For long files use `open_source`."""
    source = open_source(path)
    return np.concatenate(list(source.blocks)), source.rate


def duration(path: str | Path) -> float:
    """Seconds of sound, found by decoding (headers of cut or streamed files lie), in constant memory."""
    source = open_source(path)
    return sum(len(block) for block in source.blocks) / source.rate


def open_source(path: str | Path) -> Source:
    """The sound of a file in blocks. Taking a block may raise InputError as `load` does."""
    blocks = _decoded(path)
    rate, channels, is_float = next(blocks)
    scale = _scale(path) if is_float else np.float32(1)
    return Source(rate, channels, _checked(path, blocks, scale))


def _checked(path, blocks: Iterator[Block], scale) -> Iterator[Block]:
    count = 0
    for block in blocks:
        if not np.isfinite(block).all():
            raise InputError(f"{path}: holds NaN or infinite samples; export it again")
        count += len(block)
        yield block / scale
    if not count:
        raise InputError(f"{path}: holds no sound (zero samples); give a file with speech")


def _scale(path) -> np.float32:
    """What full scale is in a float file: 1, unless values go far beyond it; then their peak."""
    blocks = _decoded(path)
    next(blocks)
    peak = np.float32(max((np.abs(block).max(initial=0.0) for block in blocks), default=0.0))
    if not HEADROOM < peak < np.inf:  # NaN too: `_checked` refuses the block that holds it
        return np.float32(1)
    log.warning("%s: values reach %.3g where full scale is 1; scaled down to it", path, peak)
    return peak


def _resampled(mono: Iterator[Float32[np.ndarray, "n"]], source_rate: int, rate: int):
    import soxr

    if source_rate == rate:
        yield from mono
        return
    stream = soxr.ResampleStream(source_rate, rate, 1, dtype="float32", quality="HQ")
    for block in mono:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def _decoded(path):
    """First (rate, channels, whether samples are floats in the file), then the blocks, which say what was damaged.

    FFmpeg for every format: libsndfile (1.2.2) loses its place in mp3 between reads.
    """
    import av

    with container.reading(path, "sound") as media:
        stream = next(iter(media.streams.audio), None)
        if stream is None:
            raise InputError(f"{path}: has no sound track; give a file with speech")
        coder = stream.codec_context
        if coder is None or not coder.channels:
            raise InputError(f"{path}: its sound cannot be decoded (unknown codec); convert it to wav")
        rate, channels = coder.sample_rate, coder.channels
        if not RATES[0] <= rate <= RATES[1]:
            raise InputError(f"{path}: has a sampling rate of {rate} Hz; resample it to 16000 Hz or more")
        yield rate, channels, coder.name.startswith("pcm_f")
        delay = float((stream.start_time or 0) * stream.time_base) - (media.start_time or 0) / av.time_base
        if 1e-3 < delay < 60:  # the picture starts first
            yield np.zeros((round(delay * rate), channels), np.float32)
        to_float = av.AudioResampler(format="fltp", layout=coder.layout, rate=rate)
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
        if errors and not count:
            raise InputError(f"{path}: its sound cannot be decoded; convert it to wav")
        promised, slack = float((stream.duration or 0) * stream.time_base), 0.2  # a codec block or two
        if coder.name.startswith("pcm_"):
            promised, slack = _wav_seconds(path) or promised, 0.5 / rate
    if errors or 0 < count / rate < promised - slack:
        whole = f" of {promised:.2f} s" if promised else ""
        log.warning("%s: is cut off or damaged; going on with the first %.2f s%s", path, count / rate, whole)


def _wav_seconds(path) -> float | None:
    """Seconds that the header of a PCM wav promises (FFmpeg reports what is there); None if it does not say."""
    with open(path, "rb") as file:
        if file.read(4) != b"RIFF" or file.seek(8) != 8 or file.read(4) != b"WAVE":
            return None
        byte_rate = 0
        while len(head := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", head)
            if name == b"fmt ":
                byte_rate = struct.unpack("<8xI", file.read(12).ljust(12, b"\0"))[0]
                size -= 12
            if name == b"data":  # a writer to a pipe leaves 0 or -1
                return size / byte_rate if byte_rate and 0 < size < 0xFFFFFF00 else None
            file.seek(max(size, 0) + size % 2, 1)
    return None
