"""Video files, a frame at a time in either direction, so that length does not cost memory.

Frames are uint8 [h w 3], RGB, as a viewer sees them: turned as the file's rotation tag says, with square pixels.
"""

import contextlib
import dataclasses
import logging
import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from jaxtalk.errors import InputError
from jaxtalk.io import container, output

log = logging.getLogger("jaxtalk")

LARGEST = 36_000_000  # pixels a frame, somewhat over 8K: more is a broken header or an attack
HOLD = 60.0  # seconds: a longer still, or a step back, is a broken time stamp
AAC_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000)
OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)

Frame = UInt8[np.ndarray, "h w 3"]


@dataclasses.dataclass(frozen=True)
class Info:
    """What a video says of itself; its size is that of its first frame as `frames` gives it."""

    width: int
    height: int
    fps: float  # mean rate
    frames: int  # estimate; the file may be cut off
    has_sound: bool

    @property
    def seconds(self) -> float:
        return self.frames / self.fps


class Writer:
    """Writes H.264 (yuv420p, BT.709) and AAC into an mp4 or mov, as a context manager.

        with Writer("out.mp4", 512, 512, fps=25, audio="speech.wav") as video:
            for frame in frames:
                video.write(frame)

    The file appears at `path` when the block ends well; otherwise nothing is left. The sound goes in while frames do
    and ends where the last frame ends, so write ceil(seconds * fps) frames to keep all of it. An odd width or height
    is made even by repeating the last column or row, as yuv420p needs. More than two channels are mixed to one.

    Args:
        audio: a file (its sound at its own rate), or (samples [n] or [n c], rate), or None.
        metadata: container tags, such as {"comment": ...} from `provenance.comment`.
        crf: x264's constant quality, 0 (lossless) to 51; 18 is hard to tell from the source.

    Raises:
        InputError: `path` cannot be written or has another suffix, the sound cannot be read, or an absurd size or rate.
    """

    suffixes, layout, channels = (".mp4", ".mov"), "rgb24", 3

    def __init__(
        self,
        path: str | Path,
        width: int,
        height: int,
        fps: float = 25.0,
        *,
        audio: str | Path | tuple[Float32[np.ndarray, "n *c"], int] | None = None,
        metadata: dict[str, str] | None = None,
        crf: int = 18,
        preset: str = "veryfast",
    ):
        if not 1 <= fps <= 240:
            raise InputError(f"{path}: {fps} frames a second cannot be written; choose 1 to 240")
        if not (2 <= width <= 16384 and 2 <= height <= 16384 and width * height <= LARGEST):
            raise InputError(f"{path}: {width}x{height} is no size for a video; choose 2 to 8192 pixels a side")
        self.path = output.check(path, self.suffixes)
        self.width, self.height = width, height
        self.rate = Fraction(fps).limit_denominator(1001)
        self._sound = _Sound(audio) if audio is not None else None
        self._options = {"crf": str(crf), "preset": preset}
        self._metadata = metadata or {}
        self._count = 0

    def __enter__(self) -> "Writer":
        import av
        from av.video.reformatter import VideoReformatter

        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(output.atomic(self.path))
            kind = self.path.suffix[1:].lower()
            options = {"movflags": "+faststart"} if kind in ("mp4", "mov") else {}
            self._file = stack.enter_context(av.open(f"file:{temporary}", "w", format=kind, container_options=options))
            self._file.metadata.update(self._metadata)
            self._picture = self._add_picture()
            if self._sound:
                self._sound.attach(self._file)
            self._reformatter = VideoReformatter()
            self._stack = stack.pop_all()
        return self

    def _add_picture(self):
        return self._described(self._file.add_stream("libx264", rate=self.rate, options=self._options), "yuv420p")

    def _described(self, stream, pixels: str):
        """The stream with size, format of pixels and colours."""
        from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

        stream.width, stream.height = self.width + self.width % 2, self.height + self.height % 2
        stream.pix_fmt = pixels
        coder = stream.codec_context
        coder.color_range, coder.colorspace = ColorRange.MPEG, Colorspace.ITU709
        coder.color_primaries, coder.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        return stream

    def write(self, frame: UInt8[np.ndarray, "h w c"]) -> None:
        """Appends one frame [height width 3]."""
        import av

        shape = (self.height, self.width, self.channels)
        if frame.shape != shape or frame.dtype != np.uint8:
            raise ValueError(f"expected uint8 {list(shape)}, got {frame.dtype} {list(frame.shape)}")
        if self.height % 2 or self.width % 2:
            frame = np.pad(frame, ((0, self.height % 2), (0, self.width % 2), (0, 0)), mode="edge")
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=self.layout)
        picture = self._reformatter.reformat(
            rgb, format=self._picture.pix_fmt, dst_colorspace="ITU709", src_color_range="JPEG", dst_color_range="MPEG"
        )
        picture.pts, picture.time_base = self._count, 1 / self.rate
        self._file.mux(self._picture.encode(picture))
        self._count += 1
        if self._sound:
            self._sound.write(self._file, self._count / self.rate)

    def __exit__(self, kind, error, trace) -> None:
        with self._stack:  # closes the file, then renames it, or removes it if anything was raised
            if self._sound:
                self._stack.callback(self._sound.blocks.close)
            if error is not None:
                with contextlib.suppress(Exception):  # a half file may not close cleanly
                    self._file.close()
                raise error
            if not self._count:
                raise ValueError(f"{self.path}: no frame was written")
            self._file.mux(self._picture.encode())
            if self._sound:
                self._sound.finish(self._file)


class _Sound:
    """The sound track under way: encodes just as much as the picture has reached."""

    def __init__(self, audio):
        from jaxtalk.audio import load

        if isinstance(audio, tuple):
            samples, self.rate = audio
            samples = np.asarray(samples, np.float32).reshape(len(samples), -1)
            self.channels, self.blocks = samples.shape[1], (block for block in [samples])
        else:
            self.rate, self.channels, self.blocks = load.open_source(audio)
        self.pending, self.sent = np.zeros((0, self.channels), np.float32), 0

    def attach(self, file) -> None:
        name, rates = ("libopus", OPUS_RATES) if file.format.name == "webm" else ("aac", AAC_RATES)
        rate = min(rates, key=lambda known: (known < self.rate, abs(known - self.rate)))  # the next one up
        self.layout = "stereo" if self.channels == 2 else "mono"
        self.stream = file.add_stream(name, rate=rate, layout=self.layout)
        self.stream.bit_rate = min(96_000, 4 * rate) * (2 if self.channels == 2 else 1)

    def write(self, file, seconds: Fraction) -> None:
        """Encodes what lies before `seconds`."""
        until = round(seconds * self.rate)
        while self.sent < until:
            if not len(self.pending):
                self.pending = next(self.blocks, None)
                if self.pending is None:  # the sound is over before the picture
                    self.pending = np.zeros((0, self.channels), np.float32)
                    return
            part, self.pending = np.split(self.pending, [until - self.sent])
            file.mux(self.stream.encode(self._frame(part)))
            self.sent += len(part)

    def _frame(self, part):
        import av

        if self.channels > 2:
            part = part.mean(axis=1, keepdims=True)
        planes = np.ascontiguousarray(np.clip(part, -1.0, 1.0).T)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=self.layout)
        frame.rate, frame.pts, frame.time_base = self.rate, self.sent, Fraction(1, self.rate)
        return frame

    def finish(self, file) -> None:
        if self.sent:
            file.mux(self.stream.encode())


def probe(path: str | Path) -> Info:
    """Size, rate and length of a video, from its header and first frame. InputError as in `frames`."""
    with container.reading(path, "video") as media:
        stream = _picture(path, media)
        rate = _rate(stream)
        length = stream.duration * stream.time_base if stream.duration else (media.duration or 0) / 1_000_000
        _, frame = next(_decoded(path, media, stream))
        height, width, _ = _Viewer(stream)(frame).shape
        return Info(width, height, rate, max(1, stream.frames or round(length * rate)), bool(media.streams.audio))


def frames(path: str | Path, fps: float | None = None) -> Iterator[Frame]:
    """The frames of a video in order.

    With `fps` None, each coded frame once, whatever its time. With a number, frame k is what is shown at k / fps from
    the start of the file, whether the file's own rate is constant or not; a repeated frame is the same array again.
    A file that is cut off or damaged gives the frames that decode, with a message.

    Raises:
        InputError: no file, no picture in it (a playlist is none), or no frame decodes.
    """
    with container.reading(path, "video") as media:
        stream = _picture(path, media)
        view, decoded = _Viewer(stream), _decoded(path, media, stream)
        if fps is None:
            for _, frame in decoded:
                yield view(frame)
        else:
            for frame, repeats in _held(decoded, fps, _rate(stream)):
                yield from [view(frame)] * repeats


def _picture(path, media):
    """The first video stream that is no cover picture, ready to decode."""
    from av.stream import Disposition

    streams = [s for s in media.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise InputError(f"{path}: has no picture, only sound; give a video")
    coder = streams[0].codec_context
    if coder is None or coder.width * coder.height > LARGEST:
        what = "an unknown codec" if coder is None else f"frames of {coder.width}x{coder.height}, which is too large"
        raise InputError(f"{path}: has {what}; convert it to mp4 (H.264)")
    coder.thread_type = "AUTO"
    coder.options = {"max_pixels": str(LARGEST)}  # the size may change on the way
    return streams[0]


def _rate(stream) -> float:
    rate = float(stream.average_rate or stream.guessed_rate or 25)
    return rate if 0.1 <= rate <= 1000 else 25.0


def _decoded(path, media, stream) -> Iterator[tuple[float, object]]:
    """(seconds from the start of the file, frame), going on after damage."""
    import av

    start, step = (media.start_time or 0) / av.time_base, 1 / _rate(stream)
    count, errors, time = 0, 0, -step
    try:
        for packet in media.demux(stream):
            try:
                for frame in packet.decode():
                    stamp = time + step if frame.time is None else frame.time - start
                    time = stamp if time < stamp < time + HOLD else time + step
                    count += 1
                    yield time, frame
            except (av.error.FFmpegError, ValueError):
                errors += 1
    except av.error.FFmpegError:
        errors += 1
    if not count:
        raise InputError(f"{path}: its picture cannot be decoded; convert it to mp4 (H.264)")
    promised = float((stream.duration or 0) * stream.time_base)
    if errors or time + step < promised - max(0.2, 2 * step):
        log.warning("%s: is cut off or damaged; going on with %d frames (%.2f s)", path, count, time + step)


def _held(decoded, fps: float, source_fps: float) -> Iterator[tuple[object, int]]:
    """Each frame with the number of ticks of a clock at `fps` for which it is shown; frames between ticks drop out."""
    slot, shown = 0, None
    for time, frame in decoded:
        tick = math.ceil(time * fps - 0.05)  # the first tick at or after it; containers round time stamps
        if shown is not None and tick > slot:
            yield shown, tick - slot
            slot = tick
        shown = frame
    end = math.ceil((time + 1 / source_fps) * fps - 0.05)
    yield shown, max(end, 1) - slot


class _Viewer:
    """Turns decoded frames into RGB arrays of one size; the converter is shared, which is twice as fast."""

    def __init__(self, stream):
        from av.video.reformatter import VideoReformatter

        self.reformatter, self.size = VideoReformatter(), None
        aspect = stream.sample_aspect_ratio or Fraction(1)
        self.aspect = aspect if Fraction(1, 4) <= aspect <= 4 else Fraction(1)

    def __call__(self, frame) -> Frame:
        if self.size is None:
            self.size = max(1, round(frame.width * self.aspect)), frame.height
        width, height = self.size
        rgb = self.reformatter.reformat(frame, width=width, height=height, format="rgb24")
        return np.ascontiguousarray(_upright(rgb.to_ndarray(), frame))


def _upright(image, frame):
    """Applies the display matrix (x' = a x + c y, y' = b x + d y, y down), rounded to quarter turns and mirrors."""
    from av.sidedata.sidedata import Type

    matrix = frame.side_data.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return image
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].astype(int)
    if abs(b) > abs(a):
        image, right, down = image.swapaxes(0, 1), c, b
    else:
        right, down = a, d
    return image[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1]
