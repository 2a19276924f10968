"""`jaxtalk talk --renderer vid2vid` from end to end, with tiny networks in folders as the converter writes them."""

import dataclasses
import json
from importlib import resources
from pathlib import Path

import av
import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
import soundfile
import tiny_vid2vid as tiny

from jaxtalk import cli
from jaxtalk.errors import InputError
from jaxtalk.face import arkit, motion, recon_crop
from jaxtalk.io import video, weights
from jaxtalk.models import keypoints, motion_mapping
from jaxtalk.systems import analyse, sadtalker, vid2vid, vid2vid_networks
from jaxtalk.systems.talk_options import TalkOptions

SAMPLES = Path(str(resources.files("jaxtalk") / "samples"))
SIDE = 96  # of the portrait; so "resize" draws into a square too, and nothing is compiled twice
FRAMES = 25  # as in test_talk.py, whose listening networks are then compiled already


@pytest.fixture(autouse=True)
def quick_compiling(request):
    """What is drawn here is noise: it need not be drawn fast. Shipped networks are compiled as in other tests."""
    if "our_own" in request.node.name:
        yield
        return
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A folder with a portrait, its landmarks, speech, and both kinds of networks."""
    folder = tmp_path_factory.mktemp("vid2vid")
    picture = PIL.Image.open(SAMPLES / "portrait.jpg").convert("RGB").resize((SIDE, SIDE))
    picture.save(folder / "me.png")
    np.savetxt(folder / "me.txt", tiny.landmarks(SIDE, SIDE))
    samples, rate = soundfile.read(SAMPLES / "speech.flac")
    soundfile.write(folder / "hello.wav", samples[: rate * FRAMES // 25], rate)
    tiny.write(folder / "sadtalker", tiny.SADTALKER)
    tiny.write(folder / "ours", tiny.OURS, size=64)
    return folder


def talk(given, output, *options, weights="sadtalker", size=("--size", "64")):
    files = (given / "me.png", given / "hello.wav", "--landmarks", given / "me.txt")
    drawing = ("--renderer", "vid2vid", "--weights", given / weights, "-o", output)
    cli.main(["talk", *map(str, (*files, *drawing, *size, *options))])
    return output


def refused(capsys, *arguments, **settings) -> str:
    """The one line with which wrong input ends."""
    with pytest.raises(SystemExit) as stop:
        talk(*arguments, **settings)
    lines = capsys.readouterr().err.strip().splitlines()
    assert stop.value.code == 2 and len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize(
    "crop", ["crop", "full", *(pytest.param(mode, marks=pytest.mark.slow) for mode in ("extcrop", "resize", "extfull"))]
)
def test_every_crop_mode_of_sadtalker_gives_a_video(crop, given, tmp_path, monkeypatch):
    sizes, draw = [], vid2vid._draw
    monkeypatch.setattr(vid2vid, "_draw", lambda *rest: sizes.append(len(rest[-1])) or draw(*rest))
    output = talk(given, tmp_path / "talk.mp4", "--crop", crop)
    side = SIDE if crop.endswith("full") else 64
    with av.open(str(output)) as file:
        picture, sound = file.streams.video[0], file.streams.audio[0]
        assert (picture.width, picture.height, picture.frames) == (side, side, FRAMES)
        assert sound.codec_context.name == "aac"
    made = json.loads(Path(f"{output}.json").read_text())
    mapping = "mapping_73" if crop.endswith("full") else "mapping_70"
    assert set(made["weights"]) == {"generator", "keypoints", "face_recon", "audio2exp", "audio2pose", mapping}
    assert sizes == [8, 8, 8, 8]  # memory does not grow with the length


def test_our_own_networks_are_driven_by_our_motion(given, tmp_path):
    outputs = tmp_path / "talk.mp4", tmp_path / "talk.npz"
    talk(given, outputs[0], str(outputs[1]), "--yaw", "10", weights="ours", size=())
    moved = motion.load(outputs[1])
    assert moved.names == arkit.NAMES and len(moved) == FRAMES
    frames = np.stack(list(video.frames(outputs[0]))).astype(float)
    assert frames.shape == (FRAMES, 64, 64, 3)  # as large as the manifest says
    made = json.loads(Path(f"{outputs[0]}.json").read_text())
    assert {"lip_tcn", "posevae", "mapping_58", "generator"} <= set(made["weights"])


def test_still_keeps_the_pose_and_a_borrowed_one_is_added(given, tmp_path, monkeypatch):
    """Blinks and pose come from one video, whose frames differ in brightness, which the random networks see."""
    picture = np.asarray(PIL.Image.open(given / "me.png"))
    with video.Writer(tmp_path / "ref.mp4", SIDE, SIDE) as file:
        for k in range(FRAMES):
            file.write((picture * (1 - 0.03 * k)).astype(np.uint8))
    monkeypatch.setattr(analyse, "finder", lambda options: lambda frame: [np.loadtxt(given / "me.txt")])
    reference = ("--ref-pose", tmp_path / "ref.mp4", "--ref-eyeblink", tmp_path / "ref.mp4")
    plain = motion.load(talk(given, tmp_path / "plain.npz", "--blink", "none"))
    still = motion.load(talk(given, tmp_path / "still.npz", "--still", "--expression-scale", "2", "--blink", "none"))
    borrowed = motion.load(talk(given, tmp_path / "borrowed.npz", *reference))
    assert plain.names == sadtalker.NAMES and len(plain) == FRAMES
    assert np.abs(plain.rotation).max() > 0
    np.testing.assert_array_equal(still.rotation, 0.0)
    np.testing.assert_array_equal(still.translation, 0.0)
    np.testing.assert_allclose(still.expression, 2 * plain.expression, rtol=1e-6)  # not kept within 0 and 1
    recon = vid2vid_networks.network(given / "sadtalker", "face_recon")
    seen = sadtalker.rows_of(
        recon, [(frame, np.loadtxt(given / "me.txt")) for frame in video.frames(tmp_path / "ref.mp4")]
    )
    added = borrowed.rotation - plain.rotation
    np.testing.assert_allclose(added, seen[:, 64:67] - seen[:1, 64:67], atol=1e-5)
    assert np.abs(added).max() > 1e-3
    assert np.abs(borrowed.expression - plain.expression).max() > 1e-3


@pytest.fixture(scope="module")
def encoded(given):
    options = TalkOptions(
        portrait=given / "me.png", landmarks=given / "me.txt", weights=given / "sadtalker", size=64, crop="full"
    )
    return vid2vid.portrait(options)


def random_motion(frames: int, fps: float = 25.0) -> motion.Motion:
    keys = jax.random.split(jax.random.key(0), 3)
    expression, rotation, translation = (
        0.3 * jax.random.normal(key, (frames, n)) for key, n in zip(keys, (64, 3, 3), strict=True)
    )
    return motion.Motion(expression, rotation, translation, fps, sadtalker.NAMES)


def test_keypoints_are_those_of_each_frames_published_window(encoded):
    """Windows of 27 frames (15 here), clamped at the ends; the crop's place goes along; x and z are not moved."""
    moved, network, row = random_motion(70), encoded.networks.mapping, np.asarray(encoded.row)
    pose = np.concatenate([moved.rotation, moved.translation / 0.1], 1) + row[64:70]
    rows = np.concatenate([moved.expression, pose, np.tile(row[70:], (70, 1))], 1)
    (points,) = encoded.tracks(moved)
    reach = network.config.window // 2
    chosen = [0, 3, 40, 63, 64, 69]
    windows = np.stack([rows[np.clip(np.arange(i - reach, i + reach + 1), 0, 69)] for i in chosen])
    said = jax.jit(network.module.apply)(network.variables, windows)
    expected = keypoints.transform(
        jnp.repeat(encoded.canonical, len(chosen), 0),
        said.angles()[:, 0],
        said.translation[:, 0] * jnp.array([[0.0, 1.0, 0.0]]),
        said.expression[:, 0],
    )
    np.testing.assert_allclose(points[chosen], expected, atol=1e-5)


def test_the_portrait_at_rest_has_the_keypoints_of_the_source(encoded):
    row = np.asarray(encoded.row)
    still = dataclasses.replace(
        random_motion(3), expression=jnp.asarray(np.tile(row[:64], (3, 1))), rotation=jnp.zeros((3, 3)),
        translation=jnp.zeros((3, 3)),
    )  # fmt: skip
    np.testing.assert_allclose(encoded.tracks(still)[0], np.tile(encoded.source, (3, 1, 1)), atol=1e-5)


def test_keypoints_do_not_depend_on_the_frame_rate(encoded):
    slow = random_motion(9)
    fast = motion.resample(slow, 50.0)
    (few,), (many,) = encoded.tracks(slow), encoded.tracks(fast)
    assert len(many) == 18
    np.testing.assert_allclose(many[0:17:2], few, atol=1e-5)
    np.testing.assert_allclose(many[1:16:2], (few[1:] + few[:-1]) / 2, atol=1e-5)


def test_key_angles_stand_in_for_those_of_the_network(encoded):
    turned = encoded._replace(view=((0.0, 20.0), (), (5.0,)))
    moved = random_motion(5)
    points, free = encoded.tracks(moved)[0], turned.tracks(moved)[0]
    network = encoded.networks.mapping
    rows = motion_mapping.padded(network.config, jnp.asarray(sadtalker.rows(encoded.row, moved))[None])
    angles = np.array(jax.jit(lambda rows: network.apply(rows).angles()[0])(rows))
    before = keypoints.rotation(jnp.asarray(angles))
    angles[:, 0], angles[:, 2] = np.linspace(0, 20, 5), 5.0
    after = keypoints.rotation(jnp.asarray(angles))
    expected = points + jnp.einsum("tij,kj->tki", after - before, encoded.canonical[0])
    np.testing.assert_allclose(free, expected, atol=1e-4)


def test_a_pasted_frame_leaves_the_border_of_its_region(encoded):
    (points,) = encoded.tracks(random_motion(8))
    frames = encoded.draw(points)
    around = encoded.framing.face
    rim = np.ones(around.shape[:2], bool)
    rim[1:-1, 1:-1] = False
    assert frames.shape == (8, *around.shape) and frames.dtype == np.uint8
    np.testing.assert_array_equal(frames[:, rim], np.stack([around[rim]] * 8))
    assert (np.asarray(frames[0]) != around).any()


def test_blinks_and_the_portraits_expression_reach_exp_net_frame_by_frame(encoded, given):
    wave = soundfile.read(given / "hello.wav", dtype="float32")[0]
    wave = np.interp(np.arange(16000) * len(wave) / 16000, np.arange(len(wave)), wave).astype(np.float32)
    row, open_eyes = encoded.row, np.zeros(FRAMES, np.float32)

    def said(row, blink, fps=25.0):
        return sadtalker.motion(encoded.networks, row, wave, fps, blink=blink, style=3, seed=1)

    plain = said(row, open_eyes)
    closed = said(row, np.eye(FRAMES, dtype=np.float32)[7])
    moved = np.abs(closed.expression - plain.expression).max(1) > 1e-6
    assert moved[7] and moved.sum() == 1
    assert (np.abs(said(row + 0.1, open_eyes).expression - plain.expression).max(1) > 1e-6).all()
    slow = said(row, open_eyes[:12], fps=12.5)  # 24 frames are heard, every second one is left
    assert len(slow) == 12 and slow.fps == 12.5
    np.testing.assert_allclose(slow.expression, plain.expression[:24:2], atol=1e-5)


def test_frames_without_a_face_repeat_the_last_that_has_one(given):
    recon = vid2vid_networks.network(given / "sadtalker", "face_recon")
    picture, points = np.asarray(PIL.Image.open(given / "me.png")), np.loadtxt(given / "me.txt")
    seen = [(picture // k, points) if k else (picture, None) for k in (0, 1, 0, 2)]
    rows = sadtalker.rows_of_video(recon, Path("ref.mp4"), seen)
    assert rows.shape == (4, 73)
    np.testing.assert_array_equal(rows[0], rows[1])
    np.testing.assert_array_equal(rows[2], rows[1])
    assert (rows[3, :70] != rows[1, :70]).any()
    place = recon_crop.published(recon_crop.align(jnp.asarray(points, jnp.float32)), SIDE)
    np.testing.assert_allclose(rows[:, 70:], np.tile(place, (4, 1)), rtol=1e-6)
    with pytest.raises(InputError, match=r"ref\.mp4: no face found"):
        sadtalker.rows_of_video(recon, Path("ref.mp4"), [(picture, None)])


def _without(name):
    return lambda folder: (folder / f"{name}.safetensors").unlink()


def _another(folder):
    (folder / "audio2exp.safetensors").write_bytes((folder / "face_recon.safetensors").read_bytes())


def _misshaped(folder):
    stored = weights.load(folder / "mapping_70.safetensors")
    stored.variables["params"]["yaw"]["bias"] = jnp.zeros(65)
    weights.save(folder / "mapping_70.safetensors", stored)


def _more_points(folder):
    tiny.save(folder / "keypoints.safetensors", "keypoints", dataclasses.replace(tiny.CONFIGS["keypoints"], points=4))


BROKEN = {
    "generator": (
        _without("generator"),
        "crop",
        "generator.safetensors: is missing; it is made of SadTalker_V0.0.2_256",
    ),
    "mapping_73": (_without("mapping_73"), "full", "mapping_73.safetensors: is missing; it is made of mapping_00109-"),
    "another": (_another, "crop", "audio2exp.safetensors: holds face_recon, which is no audio2exp of jaxtalk"),
    "misshaped": (_misshaped, "crop", "yaw/bias has shape (65,) where (66,) is needed"),
    "points": (_more_points, "crop", "different numbers of keypoints (keypoints 4, generator 3, mapping_70 3)"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_folders_end_with_one_line_and_no_output(kind, given, tmp_path, capsys):
    folder = tmp_path / "broken"
    folder.mkdir()
    for file in (given / "sadtalker").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    breaking, crop, message = BROKEN[kind]
    breaking(folder)
    assert message in refused(capsys, given, tmp_path / "out.mp4", "--crop", crop, weights=folder)
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]


@pytest.mark.parametrize(
    "options, message",
    [
        (("--weights", "nowhere"), "nowhere: is no folder; write one with jaxtalk convert sadtalker"),
        (("--size", "68"), "--size 68: must be a multiple of 8"),
        (("-o", "out.glb"), "out.glb: networks draw no mesh"),
        (("--renderer", "warp"), "is for --renderer vid2vid"),
        (("--blink", "none", "--ref-eyeblink", "a.mp4"), "give one of them"),
        (("--batch", "0"), "--batch 0: must be 1 to 1024"),
    ],
)
def test_options_that_do_not_fit_end_with_one_line(options, message, given, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, given, "out.mp4", *options)
    assert not list(tmp_path.iterdir())


def test_what_only_sadtalkers_networks_know_is_refused(given, tmp_path, capsys):
    line = refused(capsys, given, tmp_path / "out.mp4", "--ref-eyeblink", given / "me.png", weights="ours")
    assert "only SadTalker's networks" in line
    for options, message in ((["--renderer", "vid2vid"], "--weights FOLDER"), (["--ref-eyeblink", "a.mp4"], "--blink")):
        with pytest.raises(SystemExit):
            cli.main(["talk", str(given / "me.png"), str(given / "hello.wav"), *options])
        assert message in capsys.readouterr().err


def test_sizes_are_those_of_the_published_files(tmp_path):
    for name, manifest, size in [
        ("a", {"networks": {"generator": {"source": "SadTalker_V0.0.2_512.safetensors"}}}, 512),
        ("b", {"networks": {"generator": {"source": "SadTalker_V0.0.2_256.safetensors"}}}, 256),
        ("c", {"networks": {}}, 256),
    ]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(json.dumps(manifest))
        assert vid2vid_networks._size(tmp_path / name) == size
