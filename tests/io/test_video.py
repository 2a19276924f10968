import math
import os
import resource
import signal
import subprocess
import sys
import time
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxtalk.audio import load
from jaxtalk.errors import InputError
from jaxtalk.io import video


def scene(index, width=64, height=48):
    """A smooth picture that says its index: brightness grows with it, red to the right, green downwards."""
    y, x = np.mgrid[:height, :width]
    blue = np.full_like(x, (index * 10) % 250)
    return np.stack([x * 255 // width, y * 255 // height, blue], -1).astype(np.uint8)


def index_of(frame):
    return round(float(np.median(frame[..., 2])) / 10)


def record(path, count=10, width=64, height=48, fps=25.0, **options):
    with video.Writer(path, width, height, fps, **options) as writer:
        for k in range(count):
            writer.write(scene(k, width, height))
    return path


def film(path, pictures, codec="libx264", pix_fmt="yuv420p", rate=25, pts=None, rotation=None, aspect=None):
    """A video by PyAV alone, so that the reader is not only tested on what our writer makes."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(*rotation)
        for k, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = (k, Fraction(1, rate)) if pts is None else (pts[k], Fraction(1, 1000))
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def speech(path, seconds, rate=16_000, channels=1):
    t = np.arange(round(seconds * rate)) / rate
    wave = 0.3 * np.sin(2 * np.pi * (200 + 300 * t) * t) * (1 + np.sin(9 * t)) / 2
    soundfile.write(path, np.stack([wave, wave / 2, -wave / 4][:channels], -1), rate)
    return path


def test_frames_come_back_in_number_order_and_colour(tmp_path):
    record(tmp_path / "a.mp4", crf=10)
    frames = list(video.frames(tmp_path / "a.mp4"))
    assert len(frames) == 10
    for k, frame in enumerate(frames):
        assert frame.shape == (48, 64, 3) and frame.dtype == np.uint8 and index_of(frame) == k
        assert np.abs(frame.astype(int) - scene(k)).mean() < 4


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 150, 120), (255, 255, 255), (0, 0, 0)])
def test_colours_survive_and_are_tagged_bt709(tmp_path, colour):
    with video.Writer(tmp_path / "a.mp4", 32, 32, crf=0) as writer:
        writer.write(np.full((32, 32, 3), colour, np.uint8))
    (frame,) = video.frames(tmp_path / "a.mp4")
    assert np.abs(frame.astype(int) - colour).max() <= 3
    with av.open(str(tmp_path / "a.mp4")) as file:
        coder = file.streams.video[0].codec_context
        assert (coder.name, coder.pix_fmt) == ("h264", "yuv420p")
        assert (coder.color_range, coder.colorspace, coder.color_primaries, coder.color_trc) == (1, 1, 1, 1)


@pytest.mark.parametrize("width, height", [(63, 48), (64, 47), (33, 31)])
def test_odd_sizes_are_padded_by_repeating_the_edge(tmp_path, width, height):
    with video.Writer(tmp_path / "a.mp4", width, height, crf=0) as writer:
        writer.write(scene(3, width, height))
    (frame,) = video.frames(tmp_path / "a.mp4")
    assert frame.shape == (height + height % 2, width + width % 2, 3)
    assert np.abs(frame[:height, :width].astype(int) - scene(3, width, height)).mean() < 12
    assert np.abs(frame[-1].astype(int) - frame[height - 1]).mean() < 12


@pytest.mark.parametrize("rate, channels", [(16_000, 1), (8_000, 1), (22_000, 1), (44_100, 2), (48_000, 3)])
def test_sound_is_aac_in_step_and_as_long_as_the_picture(tmp_path, rate, channels):
    speech(tmp_path / "a.wav", 2.33, rate, channels)
    record(tmp_path / "a.mp4", math.ceil(2.33 * 25), audio=tmp_path / "a.wav")
    with av.open(str(tmp_path / "a.mp4")) as file:
        picture, sound = file.streams.video[0], file.streams.audio[0]
        assert sound.codec_context.name == "aac" and sound.channels == (2 if channels == 2 else 1)
        assert abs(float(picture.duration * picture.time_base) - 2.33) <= 1 / 25
        assert abs(float(sound.duration * sound.time_base) - 2.33) < 0.002
    before, after = load.load(tmp_path / "a.wav"), load.load(tmp_path / "a.mp4")
    assert np.corrcoef(before, after[: len(before)])[0, 1] > 0.99


def test_sound_given_as_samples_stops_with_the_picture_and_may_be_shorter(tmp_path):
    samples, rate = load.original(speech(tmp_path / "a.wav", 3.0))
    for frames, seconds in ((25, 1.0), (100, 3.0)):
        record(tmp_path / "a.mp4", frames, audio=(samples, rate))
        with av.open(str(tmp_path / "a.mp4")) as file:
            sound = file.streams.audio[0]
            assert float(sound.duration * sound.time_base) == pytest.approx(seconds, abs=0.002)
            assert file.streams.video[0].frames == frames


def test_the_index_comes_first_and_the_comment_is_kept(tmp_path):
    record(tmp_path / "a.mp4", metadata={"comment": "synthetic: é"})
    content = (tmp_path / "a.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(str(tmp_path / "a.mp4")) as file:
        assert file.metadata["comment"] == "synthetic: é"


@pytest.mark.parametrize("fps", [25.0, 30.0, 29.97, 23.976, 12.5, 60.0])
def test_frame_rates_are_kept(tmp_path, fps):
    info = video.probe(record(tmp_path / "a.mp4", 20, fps=fps))
    assert info.fps == pytest.approx(fps, rel=1e-4) and info.frames == 20
    assert (info.width, info.height, info.has_sound) == (64, 48, False)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_nothing_behind(tmp_path, error):
    with pytest.raises(error):
        with video.Writer(tmp_path / "a.mp4", 64, 48) as writer:
            writer.write(scene(0))
            raise error
    assert not os.listdir(tmp_path)


def test_ctrl_c_leaves_nothing_behind(tmp_path):
    script = """
import signal, sys, numpy as np
from jaxtalk.io import video
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore Ctrl-C
frame = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)
with video.Writer(sys.argv[1], 256, 256) as writer:
    while True:
        writer.write(frame)
        print("wrote", flush=True)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "a.mp4")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(60):
            process.stdout.readline()
        assert len(os.listdir(tmp_path)) == 1  # the temporary file
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert errors.strip().endswith("KeyboardInterrupt") and not os.listdir(tmp_path)


def test_a_sound_that_turns_bad_on_the_way_leaves_nothing(tmp_path):
    samples = np.zeros(32_000, np.float32)
    samples[20_000] = np.nan
    (tmp_path / "out").mkdir()
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    with pytest.raises(InputError, match=r"a\.wav: .*NaN"):
        record(tmp_path / "out" / "a.mp4", 50, audio=tmp_path / "a.wav")
    assert not os.listdir(tmp_path / "out")


def test_no_frame_or_a_wrong_frame_is_a_bug_and_leaves_nothing(tmp_path):
    for frame in (None, np.zeros((48, 63, 3), np.uint8)):
        with pytest.raises(ValueError, match="no frame|expected uint8"):
            with video.Writer(tmp_path / "a.mp4", 64, 48) as writer:
                if frame is not None:
                    writer.write(frame)
    assert not os.listdir(tmp_path)


def test_a_full_disk_is_an_input_error(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = np.random.default_rng(0).integers(0, 255, (20, 256, 256, 3), np.uint8)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(InputError, match=r"a\.mp4: writing failed"):
            with video.Writer(tmp_path / "a.mp4", 256, 256) as writer:
                for frame in noise:
                    writer.write(frame)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("absent/a.mp4", {}, "does not exist"),
        ("a.avi", {}, r"\*\.mp4"),
        ("a.mp4", {"fps": 0.0}, "frames a second"),
        ("a.mp4", {"width": 100_000}, "no size"),
        ("a.mp4", {"audio": "absent.wav"}, "absent.wav"),
    ],
)
def test_what_cannot_be_written_is_said_before_the_first_frame(tmp_path, name, options, message):
    with pytest.raises(InputError, match=message):
        video.Writer(tmp_path / name, **{"width": 64, "height": 48, **options})
    assert not os.listdir(tmp_path)


def test_a_long_video_takes_no_more_memory_than_a_short_one(tmp_path):
    frame = scene(0, 256, 256)
    speech(tmp_path / "a.wav", 40.0)
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with video.Writer(tmp_path / "a.mp4", 256, 256, preset="ultrafast", audio=tmp_path / "a.wav") as writer:
        for _ in range(100):
            writer.write(frame)
        short = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(900):  # 177 MB of frames
            writer.write(frame)
    assert sum(1 for _ in video.frames(tmp_path / "a.mp4")) == 1000
    long = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert long - short < 60_000 and short - start < 300_000  # kB


@pytest.mark.parametrize(
    "codec, pix_fmt, suffix",
    [
        ("libx264", "yuv420p10le", ".mp4"),
        ("libx265", "yuv420p10le", ".mp4"),
        ("libx264", "yuv444p", ".mkv"),
        ("libx264", "yuvj420p", ".mov"),
        ("libx264", "gray", ".mp4"),
        ("ffv1", "bgra", ".mkv"),
        ("libvpx-vp9", "yuva420p", ".webm"),
        ("mjpeg", "yuvj420p", ".avi"),
        ("mpeg4", "yuv420p", ".avi"),
        ("mpeg2video", "yuv420p", ".ts"),
    ],
)
def test_depths_layouts_and_containers_all_become_rgb(tmp_path, codec, pix_fmt, suffix):
    path = film(tmp_path / f"a{suffix}", [scene(k) for k in range(8)], codec, pix_fmt)
    frames = list(video.frames(path))
    assert len(frames) == 8 and all(f.shape == (48, 64, 3) and f.dtype == np.uint8 for f in frames)
    expected = np.stack([scene(k) for k in range(8)]).astype(float)
    if pix_fmt == "gray":
        expected = np.repeat((expected @ [0.299, 0.587, 0.114])[..., None], 3, -1)
    assert np.abs(np.stack(frames) - expected).mean() < 8


@pytest.mark.parametrize("hflip", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_the_rotation_tag_is_applied(tmp_path, degrees, hflip):
    """`set_display_rotation` turns counter-clockwise, then mirrors."""
    film(tmp_path / "a.mp4", [scene(2)], rotation=(degrees, hflip))
    (frame,) = video.frames(tmp_path / "a.mp4")
    expected = np.rot90(scene(2), degrees // 90)
    expected = expected[:, ::-1] if hflip else expected
    assert frame.shape == expected.shape
    assert np.abs(frame.astype(int) - expected).mean() < 4
    info = video.probe(tmp_path / "a.mp4")
    assert (info.height, info.width) == expected.shape[:2]


def test_pixels_that_are_not_square_are_made_so(tmp_path):
    film(tmp_path / "a.mp4", [scene(0)], aspect=Fraction(2, 1))
    (frame,) = video.frames(tmp_path / "a.mp4")
    assert frame.shape == (48, 128, 3)


def test_a_variable_rate_is_sampled_at_a_constant_one(tmp_path):
    stamps = [0, 40, 80, 400, 440, 1000]  # ms
    film(tmp_path / "a.mkv", [scene(k) for k in range(6)], pts=stamps)
    shown = [index_of(frame) for frame in video.frames(tmp_path / "a.mkv", fps=25.0)]
    expected = [max(k for k, stamp in enumerate(stamps) if stamp <= tick * 40) for tick in range(26)]
    assert shown[:26] == expected and len(shown) < 35
    assert [index_of(frame) for frame in video.frames(tmp_path / "a.mkv")] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("source, target", [(50, 25.0), (24, 25.0), (30, 25.0), (25, 50.0), (25, 25.0), (60, 24.0)])
def test_resampling_in_time_keeps_the_duration_and_an_even_pace(tmp_path, source, target):
    film(tmp_path / "a.mp4", [scene(k) for k in range(24)], rate=source)
    shown = [index_of(frame) for frame in video.frames(tmp_path / "a.mp4", fps=target)]
    assert abs(len(shown) - 24 * target / source) < 1
    assert shown == [min(23, math.floor((k + 0.05) * source / target)) for k in range(len(shown))]


def test_a_truncated_video_gives_the_frames_there_are_and_says_so(tmp_path, caplog):
    whole = record(tmp_path / "a.mp4", 100, crf=1).read_bytes()
    (tmp_path / "a.mp4").write_bytes(whole[: len(whole) // 2])
    frames = list(video.frames(tmp_path / "a.mp4"))
    assert 20 < len(frames) < 80 and index_of(frames[5]) == 5
    assert "a.mp4: is cut off" in caplog.text and len(caplog.records) == 1


def test_a_whole_video_is_not_called_truncated(tmp_path, caplog):
    for suffix in (".mp4", ".mkv", ".avi", ".webm"):
        codec = "libvpx-vp9" if suffix == ".webm" else "libx264"
        list(video.frames(film(tmp_path / f"a{suffix}", [scene(k) for k in range(10)], codec)))
    assert not caplog.records


def test_what_is_no_video_is_refused_in_one_line(tmp_path):
    speech(tmp_path / "sound.wav", 0.5)
    soundfile.write(tmp_path / "sound.mp3", np.zeros(8000), 16_000)
    whole = record(tmp_path / "a.mp4").read_bytes()
    wrong = {
        "empty.mp4": b"",
        "garbage.mp4": np.random.default_rng(0).bytes(5000),
        "text.mp4": b"To be, or not to be.\n" * 100,
        "headless.mp4": whole[len(whole) // 2 :],
        "header.mp4": whole[: whole.index(b"moov")],
        "list.mp4": f"#EXTM3U\n#EXTINF:1,\nfile://{tmp_path}/a.mp4\n#EXT-X-ENDLIST\n".encode(),
        "list.ffconcat": f"ffconcat version 1.0\nfile '{tmp_path}/a.mp4'\n".encode(),
        "remote.mp4": b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.mp4\n#EXT-X-ENDLIST\n",
        "session.mp4": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5000 RTP/AVP 96\n",
    }
    for name, content in wrong.items():
        (tmp_path / name).write_bytes(content)
    for name in [*wrong, "sound.wav", "sound.mp3", "absent.mp4", "."]:
        for read in (video.probe, lambda path: list(video.frames(path))):
            start = time.monotonic()
            with pytest.raises(InputError) as caught:
                read(tmp_path / name)
            assert time.monotonic() - start < 1
            assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)


def test_a_cover_picture_is_no_video(tmp_path):
    with av.open(str(tmp_path / "song.mp3"), "w") as file:
        sound = file.add_stream("libmp3lame", rate=16_000, layout="mono")
        cover = file.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        file.mux(cover.encode(av.VideoFrame.from_ndarray(scene(0), format="rgb24")))
        file.mux(cover.encode())
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        frame.rate = 16_000
        file.mux([*sound.encode(frame), *sound.encode()])
    with av.open(str(tmp_path / "song.mp3")) as file:
        assert len(file.streams.video) == 1  # the test tests something
    with pytest.raises(InputError, match="only sound"):
        video.probe(tmp_path / "song.mp3")
    assert len(load.load(tmp_path / "song.mp3")) >= 16_000


@pytest.fixture(scope="module")
def good_videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    pictures = [scene(k, 32, 32) for k in range(5)]
    for name, codec in [("a.mp4", "libx264"), ("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4"), ("a.ts", "mpeg2video")]:
        film(folder / name, pictures, codec)
    record(folder / "b.mp4", 5, 32, 32)
    return sorted(folder.iterdir())


@given(data=st.data())
@settings(max_examples=100, deadline=10_000)
def test_fuzzed_videos_give_frames_or_an_input_error(tmp_path_factory, good_videos, data):
    source = data.draw(st.sampled_from([None, *good_videos]))
    content = bytearray(source.read_bytes() if source else data.draw(st.binary(min_size=1, max_size=500)))
    if source:
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
            content[place] = data.draw(st.integers(0, 255))
        content = content[: data.draw(st.integers(1, len(content)))]
    path = tmp_path_factory.getbasetemp() / f"fuzz{source.suffix if source else '.mp4'}"
    path.write_bytes(content)
    try:
        frames = [frame for frame, _ in zip(video.frames(path, fps=25.0), range(10_000), strict=False)]
        info = video.probe(path)
    except InputError as error:
        assert path.name in str(error) and "\n" not in str(error)
    else:
        assert frames and frames[0].shape == (info.height, info.width, 3) and 0 < info.fps <= 1000


def test_real_videos_load(media):
    for path in sorted(media.glob("video/*.mp4")):
        info = video.probe(path)
        assert info.has_sound == (path.stem != "silent_no_audio"), path
        first = [frame for frame, _ in zip(video.frames(path, fps=25.0), range(5), strict=False)]
        assert all(frame.shape == (info.height, info.width, 3) for frame in first) and len(first) == 5
        assert first[0].std() > 10, path
