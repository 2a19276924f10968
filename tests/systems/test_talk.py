"""`jaxtalk talk` from end to end on what the package ships: no network, no other files."""

import json
from importlib import resources
from pathlib import Path

import av
import numpy as np
import PIL.Image
import pytest
import soundfile

from jaxtalk import cli
from jaxtalk.face import arkit, motion
from jaxtalk.io import livelink

SAMPLES = Path(str(resources.files("jaxtalk") / "samples"))
PORTRAIT = SAMPLES / "portrait.jpg"
RATE = 16000


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """A second of the shipped sentence."""
    samples, rate = soundfile.read(SAMPLES / "speech.flac")
    path = tmp_path_factory.mktemp("speech") / "hello.wav"
    soundfile.write(path, samples[:rate], rate)
    return path


def talk(*arguments):
    cli.main(["talk", *map(str, arguments), "--size", "128"])


def refused(capsys, *arguments) -> str:
    """The one line with which wrong input ends."""
    with pytest.raises(SystemExit) as stop:
        talk(*arguments)
    lines = capsys.readouterr().err.strip().splitlines()
    assert stop.value.code == 2 and len(lines) == 1, lines
    return lines[0]


def test_all_outputs_of_one_run(speech, tmp_path):
    outputs = [tmp_path / f"talk{suffix}" for suffix in (".mp4", ".glb", ".csv", ".npz")]
    talk(PORTRAIT, speech, "-o", *outputs)
    with av.open(str(outputs[0])) as file:
        picture, sound = file.streams.video[0], file.streams.audio[0]
        assert (picture.width, picture.height, picture.codec_context.name) == (128, 128, "h264")
        assert picture.frames == 25 and sound.codec_context.name == "aac"
        assert abs(float(picture.duration * picture.time_base) - 1.0) <= 0.04
        assert "synthetic" in file.metadata["comment"]
        frames = np.stack([f.to_ndarray(format="rgb24") for f in file.decode(video=0)]).astype(float)
    assert np.abs(np.diff(frames, axis=0)).mean() > 0.05  # it moves
    moved = motion.load(outputs[3])
    assert len(moved) == 25 and moved.names == arkit.NAMES
    assert len(livelink.load(outputs[2])) == 25
    assert outputs[1].read_bytes()[:4] == b"glTF"
    for output in outputs:
        assert "synthetic" in json.dumps(json.loads(Path(f"{output}.json").read_text()))


def test_same_seed_same_motion_another_seed_another(speech, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        talk(PORTRAIT, speech, "-o", tmp_path / f"{name}.npz", "--seed", seed)
    a, b, c = (motion.load(tmp_path / f"{name}.npz") for name in "abc")
    np.testing.assert_array_equal(a.rotation, b.rotation)
    assert not np.allclose(a.rotation, c.rotation)


def test_options_reach_the_motion(speech, tmp_path):
    (tmp_path / "blink.txt").write_text("1\n0\n")
    options = "--still --yaw 0 10 --fps 50 --expression-scale 0.5".split()
    talk(PORTRAIT, speech, "-o", tmp_path / "a.npz", *options, "--blink", tmp_path / "blink.txt")
    talk(PORTRAIT, speech, "-o", tmp_path / "b.npz", "--blink", "none")
    a, b = motion.load(tmp_path / "a.npz"), motion.load(tmp_path / "b.npz")
    np.testing.assert_allclose(np.rad2deg(a.rotation[-1]), [0, 10, 0], atol=1e-4)
    assert len(a) == 50 and len(b) == 25
    lid = arkit.INDEX["eyeBlinkLeft"]
    assert (a.expression[::2, lid] > 0.45).all() and float(b.expression[:, lid].max()) < 0.5


def test_batch_of_jobs(speech, tmp_path):
    table = tmp_path / "jobs.csv"
    table.write_text(f"portrait,speech,output\n{PORTRAIT},{speech},one.npz\n{PORTRAIT},{speech},two.npz\n")
    talk(table, "-o", tmp_path / "results")
    assert len(motion.load(tmp_path / "results" / "one.npz")) == 25
    assert (tmp_path / "results" / "two.npz").exists()


def test_a_failing_job_does_not_stop_the_others(speech, tmp_path, capsys):
    table = tmp_path / "jobs.csv"
    table.write_text(f"portrait,speech,output\nmissing.jpg,{speech},one.npz\n{PORTRAIT},{speech},two.npz\n")
    with pytest.raises(SystemExit) as stop:
        talk(table, "-o", tmp_path / "results")
    assert stop.value.code == 2 and "1 of 2 jobs" in capsys.readouterr().err
    assert (tmp_path / "results" / "two.npz").exists()


def write_sound(path, samples, rate=RATE, **settings):
    soundfile.write(path, samples, rate, **settings)
    return path


TONE = (0.1 * np.sin(np.arange(RATE) * 0.05)).astype(np.float32)
BAD_SOUND = {
    "empty": lambda path: path.write_bytes(b""),
    "no_samples": lambda path: write_sound(path, TONE[:0]),
    "nan": lambda path: write_sound(path, np.full(RATE, np.nan), subtype="FLOAT"),
    "text": lambda path: path.write_text("this is no sound"),
    "playlist": lambda path: path.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n"),
    "picture": lambda path: PIL.Image.new("RGB", (64, 64)).save(path, format="png"),
}
GOOD_SOUND = {
    "8_khz": lambda path: write_sound(path, TONE[:8000], 8000),
    "24_bit_stereo": lambda path: write_sound(path, np.stack([TONE, TONE], 1), subtype="PCM_24"),
    "truncated": lambda path: path.write_bytes(write_sound(path, TONE).read_bytes()[:16000]),
}
BAD_PICTURE = {
    "empty": lambda path: path.write_bytes(b""),
    "no_face": lambda path: PIL.Image.new("RGB", (256, 256), (90, 120, 60)).save(path, format="png"),
    "text": lambda path: path.write_text("no picture"),
    "truncated": lambda path: path.write_bytes(PORTRAIT.read_bytes()[:3000]),
    "playlist": lambda path: path.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n"),
    "huge": lambda path: path.write_bytes(huge_png()),
}


def huge_png() -> bytes:
    """A PNG header that promises 60000 x 60000 pixels."""
    import struct
    import zlib

    body = b"IHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize("kind", BAD_SOUND)
def test_wrong_sound_ends_with_one_line_and_no_output(kind, tmp_path, capsys):
    BAD_SOUND[kind](tmp_path / "bad.wav")
    assert "bad.wav" in refused(capsys, PORTRAIT, tmp_path / "bad.wav", "-o", tmp_path / "out.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.wav"]


@pytest.mark.parametrize("kind", GOOD_SOUND)
def test_unusual_sound_is_understood(kind, tmp_path):
    GOOD_SOUND[kind](tmp_path / "odd.wav")
    talk(PORTRAIT, tmp_path / "odd.wav", "-o", tmp_path / "out.npz")
    assert 12 <= len(motion.load(tmp_path / "out.npz")) <= 25


@pytest.mark.parametrize("kind", BAD_PICTURE)
def test_wrong_picture_ends_with_one_line_and_no_output(kind, speech, tmp_path, capsys):
    BAD_PICTURE[kind](tmp_path / "bad.png")
    assert "bad.png" in refused(capsys, tmp_path / "bad.png", speech, "-o", tmp_path / "out.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.png"]


@pytest.mark.parametrize(
    "options, hint",
    [
        (["-o", "no/such/folder/out.mp4"], "no/such/folder"),
        (["-o", "out.avi"], "out.avi"),
        (["--size", "131"], "--size"),
        (["--style", "46"], "--style"),
        (["--fps", "nan"], "--fps"),
        (["--face", "3"], "face 3"),
        (["--tracker", "dlib"], "--tracker"),
        (["--blink", "missing.txt"], "missing.txt"),
        (["--ref-pose", "missing.mp4"], "missing.mp4"),
    ],
)
def test_wrong_options_end_with_one_line(options, hint, speech, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        cli.main(["talk", str(PORTRAIT), str(speech), *options])
    lines = capsys.readouterr().err.strip().splitlines()
    assert stop.value.code == 2 and len(lines) == 1 and hint in lines[0], lines
    assert not list(tmp_path.iterdir())


def test_two_faces_say_so_and_can_be_chosen(speech, tmp_path, caplog):
    one = PIL.Image.open(PORTRAIT).convert("RGB").resize((256, 256))
    both = PIL.Image.new("RGB", (512, 256))
    both.paste(one, (0, 0))
    both.paste(one.resize((200, 200)), (290, 30))
    both.save(tmp_path / "two.png")
    talk(tmp_path / "two.png", speech, "-o", tmp_path / "out.npz")
    assert "2 faces" in caplog.text
    talk(tmp_path / "two.png", speech, "-o", tmp_path / "out.npz", "--face", "1")


def test_glb_of_the_portrait_names_its_shapes(speech, tmp_path):
    import pygltflib

    talk(PORTRAIT, speech, "-o", tmp_path / "talk.glb")
    mesh = pygltflib.GLTF2().load(str(tmp_path / "talk.glb")).meshes[0]
    assert set(mesh.extras["targetNames"]) >= {"jawOpen", "mouthPucker", "eyeBlinkLeft"}


def test_refuses_the_monkey_and_takes_people(media, speech, tmp_path, capsys):
    assert "no face" in refused(capsys, media / "portrait" / "lp_s22.jpg", speech, "-o", tmp_path / "out.mp4")
    for name in ("st_people_0.png", "lp_s9.jpg", "lp_s7.jpg"):
        talk(media / "portrait" / name, speech, "-o", tmp_path / "out.npz")
