"""`jaxtalk mesh` from end to end: speech to every format, on every kind of mesh, and every kind of wrong input."""

import csv
import dataclasses
import json
import os
from importlib import resources
from pathlib import Path

import av
import jax.numpy as jnp
import numpy as np
import pygltflib
import pytest
import soundfile

from jaxtalk import cli
from jaxtalk.convert import obj
from jaxtalk.face import arkit, builtin, motion, store
from jaxtalk.face import model as faces
from jaxtalk.io import glb, glb_rig, provenance
from jaxtalk.systems import mesh_template

SAMPLE = Path(str(resources.files("jaxtalk") / "samples" / "speech.flac"))
VERTICES = len(builtin.model().template)


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """0.6 seconds of the shipped sentence."""
    samples, rate = soundfile.read(SAMPLE)
    path = tmp_path_factory.mktemp("speech") / "a word.wav"
    soundfile.write(path, samples[rate : int(1.6 * rate)], rate)
    return path


@pytest.fixture(scope="module")
def spoken(speech, tmp_path_factory):
    """All formats of one run."""
    folder = tmp_path_factory.mktemp("spoken")
    names = ["a.glb", "a.html", "a.csv", "a.npz", "frames"]
    cli.main(["mesh", str(speech), "-o", *(str(folder / name) for name in names), "--seed", "3"])
    return folder


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """A .glb of three of the built-in face's shapes."""
    names = ("jawOpen", "mouthPucker", "eyeBlinkLeft")
    shapes = np.asarray(builtin.model().expression)[[arkit.INDEX[name] for name in names]]
    model = mesh_template.moving(builtin.model(), shapes, names)
    path = tmp_path_factory.mktemp("rig") / "rig.glb"
    glb.write(path, model, motion.still(2, 25.0, names))
    return path


def wrong(*arguments, capsys):
    """The one line that a wrong command gives."""
    with pytest.raises(SystemExit) as left:
        cli.main(["mesh", *map(str, arguments)])
    said = capsys.readouterr().err.strip().splitlines()
    assert left.value.code == 2 and len(said) == 1
    return said[0]


def test_every_format_says_the_same(spoken):
    with np.load(spoken / "a.npz", allow_pickle=False) as z:
        held = dict(z)
    assert held["vertices"].shape == (15, VERTICES, 3) and float(held["fps"]) == 25.0
    assert held["names"].tolist() == list(arkit.NAMES)
    model = builtin.model()
    expected = np.asarray(model.vertices(None, jnp.asarray(held["expression"][7:8])))[0]
    np.testing.assert_allclose(held["vertices"][7], expected, atol=1e-6)
    root = pygltflib.GLTF2().load_binary(str(spoken / "a.glb"))
    weights = glb_rig._accessor(root, root.binary_blob(), root.animations[0].samplers[0].output)
    np.testing.assert_allclose(weights.reshape(15, 52), held["expression"], atol=1e-6)
    rows = list(csv.DictReader((spoken / "a.csv").read_text().splitlines()))
    np.testing.assert_allclose([float(row["JawOpen"]) for row in rows], held["expression"][:, 17], atol=1e-6)
    assert len(os.listdir(spoken / "frames")) == 16
    frame = obj.read(spoken / "frames" / "frame_00007.obj")
    posed = faces.pose(jnp.asarray(expected), *(jnp.asarray(held[k][7]) for k in ("rotation", "translation")))
    np.testing.assert_allclose(frame.vertices, posed, atol=2e-6)
    assert np.ptp(held["expression"], axis=0).max() > 0.05  # and it says something


def test_every_file_says_that_it_is_synthetic(spoken):
    for name in ("a.glb", "a.npz", "a.csv", "a.html"):
        found = provenance.verify(spoken / name)
        assert found.beside["synthetic"] and found.unchanged and found.beside["settings"]["seed"] == 3
    assert json.loads((spoken / "frames" / "provenance.json").read_text())["weights"].keys() == {"lip_tcn", "posevae"}


def test_a_rig_keeps_its_file_and_gets_the_weights_that_it_has_shapes_for(speech, rig, spoken, tmp_path):
    cli.main(["mesh", str(speech), "-o", str(tmp_path / "b.glb"), "--template", str(rig), "--seed", "3"])
    scene = glb_rig.read(tmp_path / "b.glb")
    root = scene.root
    assert [animation.name for animation in root.animations] == ["talk", "talk"]  # ours, then the rig's own
    weights = glb_rig._accessor(root, root.binary_blob(), root.animations[0].samplers[0].output).reshape(15, 3)
    with np.load(spoken / "a.npz") as z:
        chosen = z["expression"][:, [arkit.INDEX[n] for n in ("jawOpen", "mouthPucker", "eyeBlinkLeft")]]
    np.testing.assert_allclose(weights, chosen, atol=1e-6)
    np.testing.assert_array_equal(scene.points, glb_rig.read(rig).points)


def test_a_bare_mesh_of_the_built_in_topology_moves_in_its_own_unit(speech, spoken, tmp_path):
    points = 1000 * np.asarray(builtin.model().template) * [1.05, 1.0, 0.95]
    corners = "".join(f"f {a} {b} {c}\n" for a, b, c in np.asarray(builtin.model().triangles) + 1)
    (tmp_path / "me.obj").write_text("".join("v %f %f %f\n" % tuple(p) for p in points) + corners)  # noqa: UP031
    cli.main(
        ["mesh", str(speech), "-o", str(tmp_path / "b.npz"), "--template", str(tmp_path / "me.obj"), "--seed", "3"]
    )
    with np.load(spoken / "a.npz") as ours, np.load(tmp_path / "b.npz") as theirs:
        moved = theirs["vertices"] - theirs["template"]
        np.testing.assert_allclose(moved, 1000 * (ours["vertices"] - ours["template"]), atol=2e-3)
        assert not theirs["rotation"].any()  # nothing tells where its head turns about


@pytest.mark.slow
def test_shapes_of_no_arkit_name_are_solved(speech, spoken, tmp_path):
    """The built-in face's own shapes under other names must come back as nearly the same mesh."""
    names = tuple(f"shape{k}" for k in range(52))
    store.save(tmp_path / "other.npz", dataclasses.replace(builtin.model(), expression_names=names))
    output = tmp_path / "b.npz"
    cli.main(["mesh", str(speech), "-o", str(output), "--template", str(tmp_path / "other.npz"), "--seed", "3"])
    with np.load(spoken / "a.npz") as ours, np.load(output) as theirs:
        lips = np.asarray(builtin.model().landmarks)[48:]
        apart = np.linalg.norm(ours["vertices"] - theirs["vertices"], axis=-1)[:, lips]
        moved = np.linalg.norm(ours["vertices"] - ours["template"], axis=-1)[:, lips]
    assert apart.mean() < 0.35 * moved.mean()


def test_a_video_shows_any_mesh_with_the_sound(speech, tmp_path):
    (tmp_path / "me.obj").write_text(
        "".join("v %f %f %f\n" % tuple(50 * p) for p in np.asarray(builtin.model().template))  # noqa: UP031
        + "".join(f"f {a} {b} {c}\n" for a, b, c in np.asarray(builtin.model().triangles) + 1)
    )
    output = tmp_path / "b.mp4"
    cli.main(["mesh", str(speech), "-o", str(output), "--template", str(tmp_path / "me.obj"), "--size", "64"])
    with av.open(str(output)) as media:
        frames = [frame.to_ndarray(format="gray") for frame in media.decode(media.streams.video[0])]
        assert len(frames) == 15 and media.streams.audio[0].duration
    assert (frames[0] < 200).mean() > 0.3 and (frames[0][:3] > 220).all()  # a face that fills it, light around


def test_wrong_options_are_one_line_and_leave_nothing(speech, tmp_path, capsys):
    out = tmp_path / "a.glb"
    cases = {
        "spoken by": (speech, "-o", out, "--style", "spoken by"),
        "0 to 45": (speech, "-o", out, "--style", "46"),
        "must be 1 to 120": (speech, "-o", out, "--fps", "0"),
        "even": (speech, "-o", out, "--size", "65"),
        "two frames": (speech, "-o", out, "--window", "1"),
        "does not exist": (tmp_path / "none.wav", "-o", out),
        "cannot write this type": (speech, "-o", tmp_path / "a.fbx"),
        "no such file": (speech, "-o", out, "--network", tmp_path / "none.safetensors"),
        "given twice": (speech, "-o", out, out),
    }
    for text, arguments in cases.items():
        assert text in wrong(*arguments, capsys=capsys)
    assert not os.listdir(tmp_path)


def test_broken_sound_and_meshes_are_one_line_and_leave_nothing(speech, rig, tmp_path, capsys):
    triangle = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
    files = {
        "noise.wav": (b"RIFF0000", "sound"), "empty.obj": (b"", "empty"), "points.obj": (b"v 0 0 0\n", "0 faces"),
        "nan.obj": (triangle.replace("1 0 0", "nan 0 0").encode(), "not finite"),
        "far.obj": (triangle.replace("1 2 3", "1 2 9").encode(), "not there"),
        "text.obj": (b"hello\n", "0 vertices"), "few.obj": (triangle.encode(), "3 vertices"),
        "place.obj": (b"v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n", "one place"), "text.ply": (b"hello", "no mesh"),
        "text.glb": (b"hello", "no .glb"), "text.npz": (b"hello", "no face model"), "face.fbx": (b"hello", "no mesh"),
        "cut.glb": (rig.read_bytes()[:5000], "no .glb"),
    }  # fmt: skip
    for name, (content, text) in files.items():
        (tmp_path / name).write_bytes(content)
        sound = (tmp_path / name,) if name.endswith("wav") else (speech, "--template", tmp_path / name)
        said = wrong(*sound, "-o", tmp_path / "a.npz", capsys=capsys)
        assert name in said and text in said, said
    assert set(os.listdir(tmp_path)) == set(files)


def test_a_mesh_without_arkits_shapes_gives_no_live_link_file(speech, tmp_path, capsys):
    names = tuple(f"shape{k}" for k in range(52))
    store.save(tmp_path / "other.npz", dataclasses.replace(builtin.model(), expression_names=names))
    said = wrong(speech, "-o", tmp_path / "a.csv", "--template", tmp_path / "other.npz", capsys=capsys)
    assert "a.csv" in said and "ARKit" in said
