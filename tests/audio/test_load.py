import logging
import struct
import time
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxtalk.audio import load
from jaxtalk.errors import InputError


def voice(rate, seconds=1.0, channels=1):
    """A chirp with a slow envelope, in [-0.5, 0.5], different in each channel."""
    t = np.arange(round(rate * seconds)) / rate
    waves = [0.5 * np.sin(np.pi * t / seconds) * np.sin(2 * np.pi * (200 + 300 * k + 400 * t) * t) for k in (0, 1)]
    return np.stack(waves[:channels], -1).astype(np.float32)


def wav(path, samples, rate=16_000, subtype="PCM_16", **options):
    soundfile.write(path, samples, rate, subtype=subtype, **options)
    return path


def encode(path, codec, samples, rate, start=0.0, picture=False):
    """Writes a container with PyAV; the sound starts `start` seconds after the picture."""
    with av.open(str(path), "w") as file:
        if picture:
            video = file.add_stream("libx264", rate=25)
            video.width = video.height = 32
            video.pix_fmt = "yuv420p"
        sound = file.add_stream(codec, rate=rate, layout="stereo" if samples.shape[1] == 2 else "mono")
        if picture:
            for _ in range(round(25 * (start + len(samples) / rate))):
                file.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
            file.mux(video.encode())
        layout = "stereo" if samples.shape[1] == 2 else "mono"
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout=layout)
        frame.rate, frame.pts, frame.time_base = rate, round(start * rate), Fraction(1, rate)
        file.mux(sound.encode(frame))
        file.mux(sound.encode())
    return path


def likeness(a, b):
    """Correlation over the common part, without shifting: a delay of a few samples ruins it."""
    n = min(len(a), len(b))
    return np.corrcoef(a[:n], b[:n])[0, 1]


def test_16_bit_mono_comes_back_exactly(tmp_path):
    samples = (voice(16_000)[:, 0] * 32768).astype(np.int16)
    wav(tmp_path / "a.wav", samples)
    loaded = load.load(tmp_path / "a.wav")
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, samples / np.float32(32768))


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000])
@pytest.mark.parametrize("subtype", ["PCM_24", "FLOAT", "PCM_U8", "PCM_32", "DOUBLE"])
def test_any_rate_and_depth_give_the_mean_of_channels_as_soxr_does(tmp_path, rate, subtype):
    samples = voice(rate, channels=2)
    wav(tmp_path / "a.wav", samples, rate, subtype)
    expected = soxr.resample(samples.mean(1), rate, 16_000, quality="HQ")
    loaded = load.load(tmp_path / "a.wav")
    assert abs(len(loaded) - 16_000) <= 1
    n = min(len(loaded), len(expected))
    np.testing.assert_allclose(loaded[:n], expected[:n], atol=0.02 if subtype == "PCM_U8" else 1e-4)


def test_long_files_read_in_blocks_equal_one_piece(tmp_path):
    samples = voice(44_100, seconds=4.0)  # several blocks
    wav(tmp_path / "a.wav", samples, 44_100, "FLOAT")
    np.testing.assert_allclose(
        load.load(tmp_path / "a.wav"), soxr.resample(samples[:, 0], 44_100, 16_000, quality="HQ"), atol=1e-6
    )


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.mp3"])
def test_compressed_audio_files_load_in_step(tmp_path, name):
    soundfile.write(tmp_path / name, voice(16_000), 16_000)
    loaded = load.load(tmp_path / name)
    assert abs(len(loaded) - 16_000) < 1200  # mp3 pads to whole frames
    assert likeness(loaded, voice(16_000)[:, 0]) > 0.98


@pytest.mark.parametrize(
    "name, codec", [("a.m4a", "aac"), ("a.mka", "pcm_s16le"), ("a.webm", "libopus"), ("a.avi", "pcm_s16le")]
)
def test_containers_load_in_step(tmp_path, name, codec):
    samples = voice(48_000, channels=2)
    encode(tmp_path / name, codec, samples, 48_000)
    loaded = load.load(tmp_path / name)
    assert abs(len(loaded) - 16_000) < 1200
    assert likeness(loaded, soxr.resample(samples.mean(1), 48_000, 16_000)) > 0.98


def test_sound_that_starts_later_than_the_picture_is_padded(tmp_path):
    samples = voice(16_000)
    encode(tmp_path / "a.mkv", "pcm_s16le", samples, 16_000, start=0.5, picture=True)
    loaded = load.load(tmp_path / "a.mkv")
    assert abs(len(loaded) - 24_000) < 50
    assert np.abs(loaded[:7_900]).max() == 0 and likeness(loaded[8_000:], samples[:, 0]) > 0.98


def test_original_keeps_rate_and_channels(tmp_path):
    samples = voice(44_100, channels=2)
    back, rate = load.original(wav(tmp_path / "a.wav", samples, 44_100, "FLOAT"))
    assert rate == 44_100
    np.testing.assert_array_equal(back, samples)
    assert load.duration(tmp_path / "a.wav") == 1.0


def test_silence_is_sound(tmp_path):
    assert not load.load(wav(tmp_path / "a.wav", np.zeros(160))).any()


def test_float_files_on_another_scale_are_scaled_with_a_message(tmp_path, caplog):
    wav(tmp_path / "a.wav", voice(16_000) * 32768, subtype="FLOAT")
    loaded = load.load(tmp_path / "a.wav")
    assert np.abs(loaded).max() == pytest.approx(1.0) and likeness(loaded, voice(16_000)[:, 0]) > 0.9999
    assert "a.wav" in caplog.text and "scaled" in caplog.text


def test_small_overshoot_is_clipped_in_silence(tmp_path, caplog):
    loaded = load.load(wav(tmp_path / "a.wav", voice(16_000) * 2.4, subtype="FLOAT"))
    assert np.abs(loaded).max() == 1.0 and not caplog.records


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_truncated_wav_gives_what_is_there_and_says_so(tmp_path, caplog, share):
    whole = wav(tmp_path / "a.wav", voice(16_000)).read_bytes()
    (tmp_path / "a.wav").write_bytes(whole[: int(len(whole) * share)])
    loaded = load.load(tmp_path / "a.wav")
    assert len(loaded) == (int(len(whole) * share) - 44) // 2
    assert "cut off" in caplog.text and "of 1.00 s" in caplog.text and len(caplog.records) == 1


def test_a_whole_wav_is_not_called_truncated(tmp_path, caplog):
    caplog.set_level(logging.DEBUG, "jaxtalk")
    for subtype in ("PCM_16", "PCM_24", "FLOAT", "ULAW", "MS_ADPCM"):
        load.load(wav(tmp_path / "a.wav", voice(16_000, channels=2), subtype=subtype))
    wav(tmp_path / "a.wav", voice(16_000), format="WAVEX")
    load.load(tmp_path / "a.wav")
    assert not caplog.records


def test_a_wav_that_was_streamed_has_no_length_and_no_complaint(tmp_path, caplog):
    whole = bytearray(wav(tmp_path / "a.wav", voice(16_000)).read_bytes())
    whole[4:8] = whole[40:44] = b"\xff" * 4  # as written by programs to a pipe
    (tmp_path / "a.wav").write_bytes(whole)
    assert len(load.load(tmp_path / "a.wav")) == 16_000 and not caplog.records


def test_a_truncated_m4a_has_lost_its_index_and_is_refused(tmp_path):
    whole = encode(tmp_path / "a.m4a", "aac", voice(48_000), 48_000).read_bytes()
    (tmp_path / "a.m4a").write_bytes(whole[: whole.index(b"moov") - 4])
    with pytest.raises(InputError, match="holds no sound"):
        load.load(tmp_path / "a.m4a")


def test_a_truncated_flac_and_a_truncated_video_give_what_is_there_and_say_so(tmp_path, caplog):
    soundfile.write(tmp_path / "a.flac", voice(16_000, 3.0), 16_000)
    with av.open(str(tmp_path / "a.mp4"), "w", container_options={"movflags": "+faststart"}) as file:
        sound = file.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(voice(48_000, 3.0).T), format="fltp", layout="mono")
        frame.rate = 48_000
        file.mux([*sound.encode(frame), *sound.encode()])
    for name in ("a.flac", "a.mp4"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) * 6 // 10])
        caplog.clear()
        assert 16_000 < len(load.load(tmp_path / name)) < 40_000
        assert "cut off" in caplog.text and len(caplog.records) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_a_number_is_refused(tmp_path, value):
    samples = voice(16_000)
    samples[12_345] = value
    with pytest.raises(InputError, match=r"a\.wav: .*NaN"):
        load.load(wav(tmp_path / "a.wav", samples, subtype="FLOAT"))


def header_only(path):
    return wav(path, voice(16_000)).read_bytes()[:44]


WRONG = {
    "empty": lambda path: b"",
    "header only": header_only,
    "half a header": lambda path: header_only(path)[:20],
    "zero samples": lambda path: wav(path, np.zeros(0)).read_bytes(),
    "garbage": lambda path: np.random.default_rng(0).bytes(5000),
    "text": lambda path: b"To be, or not to be, that is the question.\n" * 50,
    "picture": lambda path: b"\x89PNG\r\n\x1a\n" + bytes(3000),
    "absurd rate": lambda path: header_only(path)[:24] + struct.pack("<I", 3) + header_only(path)[28:] + bytes(3000),
}


@pytest.mark.parametrize("name", ["speech.wav", "speech.mp3", "speech.mp4", "speech.raw", "speech"])
@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_sound_is_refused_in_one_line(tmp_path, kind, name):
    (tmp_path / name).write_bytes(WRONG[kind](tmp_path / "good.wav"))
    start = time.monotonic()
    with pytest.raises(InputError) as caught:
        load.load(tmp_path / name)
    assert time.monotonic() - start < 1
    assert name in str(caught.value) and "\n" not in str(caught.value) and ": " in str(caught.value)


@pytest.mark.parametrize("name", ["list.mp4", "list.wav", "list.m3u8", "list.ffconcat", "list.txt"])
@pytest.mark.parametrize("target", ["file", "http"])
def test_playlists_are_refused_whatever_their_name(tmp_path, name, target):
    target = f"file://{wav(tmp_path / 'secret.wav', voice(16_000))}" if target == "file" else "http://127.0.0.1:9/a.ts"
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n"
    for content in (hls, f"ffconcat version 1.0\nfile '{target}'\n", f"<MPD><BaseURL>{target}</BaseURL></MPD>"):
        (tmp_path / name).write_text(content)
        start = time.monotonic()
        with pytest.raises(InputError, match="holds no sound"):
            load.load(tmp_path / name)
        assert time.monotonic() - start < 1


@pytest.mark.parametrize(
    "name", ["concat:{0}|{0}", "file:{0}", "http://127.0.0.1:9/a.wav", "subfile,,start,0,end,0,,:{0}"]
)
def test_addresses_are_no_file_names(tmp_path, name):
    secret = wav(tmp_path / "secret.wav", voice(16_000))
    with pytest.raises(InputError, match="does not exist"):
        load.load(name.format(secret))


def test_a_file_name_that_looks_like_an_address_is_a_file_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    encode(tmp_path / "a.m4a", "aac", voice(48_000), 48_000)
    (tmp_path / "a.m4a").rename(tmp_path / "concat:a|b.m4a")
    assert len(load.load("concat:a|b.m4a")) >= 16_000


def test_video_without_sound_folders_and_missing_files_are_named(tmp_path):
    with av.open(str(tmp_path / "mute.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        file.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        file.mux(stream.encode())
    for name, message in [("mute.mp4", "no sound track"), (".", "is a folder"), ("absent.wav", "does not exist")]:
        with pytest.raises(InputError, match=message):
            load.load(tmp_path / name)
    with pytest.raises(InputError, match="regular"):
        load.load("/dev/zero")


@pytest.fixture(scope="module")
def good_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    for name in ("a.wav", "a.flac", "a.ogg", "a.mp3"):
        soundfile.write(folder / name, voice(16_000, 0.3), 16_000)
    encode(folder / "a.m4a", "aac", voice(48_000, 0.3), 48_000)
    encode(folder / "a.webm", "libopus", voice(48_000, 0.3), 48_000)
    return sorted(folder.iterdir())


@given(data=st.data())
@settings(max_examples=150, deadline=5_000)
def test_fuzzed_files_give_sound_or_an_input_error(tmp_path_factory, good_files, data):
    source = data.draw(st.sampled_from([None, *good_files]))
    content = bytearray(source.read_bytes() if source else data.draw(st.binary(min_size=1, max_size=500)))
    if source:
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
            content[place] = data.draw(st.integers(0, 255))
        content = content[: data.draw(st.integers(1, len(content)))]
    path = tmp_path_factory.getbasetemp() / f"fuzz{source.suffix if source else '.wav'}"
    path.write_bytes(content)
    try:
        loaded = load.load(path)
    except InputError as error:
        assert path.name in str(error) and "\n" not in str(error)
    else:
        assert len(loaded) and np.isfinite(loaded).all() and np.abs(loaded).max() <= 1


def test_real_speech_and_videos_load(media):
    for path in sorted([*media.glob("speech/*"), *media.glob("video/*.mp4"), *media.glob("facegood/*.flac")]):
        if path.stem == "silent_no_audio":
            with pytest.raises(InputError, match="no sound track"):
                load.load(path)
            continue
        loaded = load.load(path)
        assert len(loaded) > 16_000 and 0.01 < np.abs(loaded).max() <= 1, path
        assert abs(len(loaded) / 16_000 - load.duration(path)) < 1e-3, path
