"""`jaxtalk fap` from end to end: speech to parameters to faces, and every kind of wrong input."""

import dataclasses
import json
from importlib import resources
from pathlib import Path

import av
import jax.numpy as jnp
import numpy as np
import pygltflib
import pytest
import soundfile

from jaxtalk import cli
from jaxtalk.face import arkit, builtin, fap, fap_mouth, fap_stream, store
from jaxtalk.io import fap_file

SAMPLE = Path(str(resources.files("jaxtalk") / "samples" / "speech.flac"))


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """0.6 seconds of the shipped sentence."""
    samples, rate = soundfile.read(SAMPLE)
    path = tmp_path_factory.mktemp("speech") / "a word.wav"
    soundfile.write(path, samples[rate : int(1.6 * rate)], rate)
    return path


@pytest.fixture(scope="module")
def opening(tmp_path_factory):
    """Three frames: neutral, the viseme of "car", and lips that open as low-level parameters say."""
    path = tmp_path_factory.mktemp("stream") / "a.fap"
    selected = np.zeros((3, 68), bool)
    values = np.zeros((3, 68), int)
    selected[:, 0] = True
    for name, value in {"open_jaw": 500, "raise_b_midlip": -600, "raise_b_lip_lm": -520}.items():
        selected[:, fap.COLUMN[name]] = True
        values[2, fap.COLUMN[name]] = value
    viseme = np.array([[0, 0, 63, 0], [10, 0, 63, 0], [0, 0, 63, 0]])
    fap_file.write(path, fap_stream.FapStream(values, selected, viseme, np.zeros((3, 6), int), 25.0, "a"))
    return path


def run(*arguments):
    cli.main(["fap", *map(str, arguments)])


def pictures(path) -> np.ndarray:
    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]).astype(float)


def test_speech_becomes_parameters_a_video_and_a_mesh(speech, tmp_path):
    outputs = [tmp_path / f"out{suffix}" for suffix in (".fap", ".mp4", ".glb")]
    run(speech, "-o", *outputs, "--fps", "15", "--size", "96", "--seed", "3")
    stream = fap_file.read(outputs[0])
    assert (len(stream), stream.fps, stream.name) == (9, 15.0, "a_word")
    moving = stream.values.std(0)
    assert moving[fap.COLUMN["raise_b_midlip"]] > 5 and moving[fap.COLUMN["head_pitch"]] > 0
    assert not stream.selected[:, [0, 1, fap.COLUMN["dilate_l_pupil"]]].any()
    with av.open(str(outputs[1])) as file:
        picture = file.streams.video[0]
        assert (picture.width, picture.height, picture.frames, float(picture.average_rate)) == (96, 96, 9, 15.0)
        assert file.streams.audio and "synthetic" in file.metadata["comment"]
    assert np.abs(np.diff(pictures(outputs[1]), axis=0)).mean() > 0.02
    mesh = pygltflib.GLTF2().load(str(outputs[2]))
    assert mesh.meshes[0].extras["targetNames"] == list(arkit.NAMES) and mesh.asset.extras["provenance"]["synthetic"]
    for path in outputs:
        assert json.loads(Path(f"{path}.json").read_text())["synthetic"]
    # What is drawn comes from the file alone, so the file draws the same, and copies to the same bytes.
    run(outputs[0], "-o", tmp_path / "again.mp4", tmp_path / "again.fap", "--size", "96", "--sound", speech)
    np.testing.assert_array_equal(pictures(tmp_path / "again.mp4"), pictures(outputs[1]))
    assert (tmp_path / "again.fap").read_bytes() == outputs[0].read_bytes()
    run(speech, "-o", tmp_path / "still.fap", "--fps", "15", "--seed", "3", "--still")
    still = fap_file.read(tmp_path / "still.fap")
    head = list(fap.HEAD)
    assert not still.selected[:, head].any() and not still.values[:, head].any()
    np.testing.assert_array_equal(np.delete(still.values, head, 1), np.delete(stream.values, head, 1))


@pytest.mark.slow
@pytest.mark.parametrize("deform", ["shapes", "points"])
def test_a_stream_moves_another_face(opening, tmp_path, deform):
    model = builtin.model()
    few = [arkit.INDEX[name] for name in ("jawOpen", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPucker")]
    other = dataclasses.replace(
        model,
        template=model.template * jnp.array([[1.05, 0.97, 1.0]]),
        expression=model.expression[jnp.array(few)],
        expression_names=tuple(arkit.NAMES[k] for k in few),
    )
    store.save(tmp_path / "other.npz", other)
    run(opening, "-o", tmp_path / "a.mp4", "--face", tmp_path / "other.npz", "--deform", deform, "--size", "96")
    rest, car, low = pictures(tmp_path / "a.mp4")
    mouth = slice(56, 80), slice(36, 60)
    for frame in (car, low):
        change = np.abs(frame - rest).mean(-1)
        assert change[mouth].mean() > 4 and change[:40].mean() < 1  # of 255; brows and hair stay


def test_the_perceptron_moves_the_lips_and_nothing_else_by_what_it_hears(speech, tmp_path):
    for listener in ("tcn", "perceptron"):
        run(speech, "-o", tmp_path / f"{listener}.fap", "--fps", "15", "--seed", "3", "--listener", listener)
    one, other = (fap_file.read(tmp_path / f"{name}.fap") for name in ("tcn", "perceptron"))
    np.testing.assert_array_equal(one.selected, other.selected)
    gaze = [k for name, k in fap.COLUMN.items() if "eyeball" in name]  # lower lids ride on the cheeks that are heard
    np.testing.assert_array_equal(one.values[:, gaze], other.values[:, gaze])
    np.testing.assert_array_equal(one.values[:, list(fap.HEAD)], other.values[:, list(fap.HEAD)])
    lips = fap_mouth.lip_opening(other.values)
    assert lips.std() > 5 and not np.array_equal(lips, fap_mouth.lip_opening(one.values))
    made = json.loads((tmp_path / "perceptron.fap.json").read_text())
    assert set(made["weights"]) == {"fap", "posevae"}


WRONG = {
    "missing source": (["none.wav", "-o", "a.fap"], "none.wav"),
    "unknown output": (["SPEECH", "-o", "a.avi"], "cannot write this type of file"),
    "odd size": (["SPEECH", "-o", "a.mp4", "--size", "97"], "--size 97"),
    "points in a mesh": (["FAP", "-o", "a.glb", "--deform", "points"], "--deform points"),
    "two sounds": (["SPEECH", "-o", "a.mp4", "--sound", "SPEECH"], "--sound"),
    "no face": (["FAP", "-o", "a.fap", "--face", "FAP"], "is no face model"),
    "no such sound": (["FAP", "-o", "a.mp4", "--sound", "none.wav", "--size", "64"], "none.wav"),
    "damaged stream": (["BAD", "-o", "a.mp4"], "line 2 has 67 mask bits"),
    "speech that is none": (["FAKE", "-o", "a.fap"], "fake.wav"),
    "live video": (["-", "-o", "a.mp4", "--listener", "perceptron"], "source -"),
    "live by the network of talk": (["-", "-o", "a.fap"], "source -"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_input_is_one_line_and_nothing_is_written(kind, speech, opening, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.fap").write_text(opening.read_text().replace(" 0", "", 1).replace("2.1 a 25 3", "2.1 a 25 3", 1))
    (tmp_path / "fake.wav").write_text("no sound")
    names = {"SPEECH": speech, "FAP": opening, "BAD": "bad.fap", "FAKE": "fake.wav"}
    arguments, message = WRONG[kind]
    with pytest.raises(SystemExit) as stop:
        run(*(names.get(word, word) for word in arguments))
    lines = [line for line in capsys.readouterr().err.strip().splitlines() if line.startswith("jaxtalk")]
    assert stop.value.code == 2 and len(lines) == 1 and message in lines[0], lines
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.fap", "fake.wav"]
