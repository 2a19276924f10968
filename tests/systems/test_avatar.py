"""`jaxtalk avatar`: an avatar is kept, carried and drawn; wrong input is one line."""

import dataclasses
import json
from importlib import resources
from pathlib import Path

import av
import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soundfile
from PIL import Image

from jaxtalk import cli
from jaxtalk.data.person_video import PersonVideo
from jaxtalk.errors import InputError
from jaxtalk.face import builtin, rotation
from jaxtalk.io import image
from jaxtalk.models.landmark_warp import Rest
from jaxtalk.models.radnerf import Config, RadNerf
from jaxtalk.render import grid_encoding, occupancy
from jaxtalk.render.march import Lattice
from jaxtalk.render.occupancy import Cells
from jaxtalk.systems import avatar_field, avatar_moments, avatar_render, avatar_speech, avatar_store
from jaxtalk.systems.avatar_field import Avatar, Moment
from jaxtalk.systems.avatar_options import RenderOptions

SIZE, FRAMES = 32, 24


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> PersonVideo:
    """What drawing needs of a prepared video: a face that nods and blinks."""
    folder, model = tmp_path_factory.mktemp("data"), builtin.model()
    time = np.linspace(0, 1, FRAMES, dtype=np.float32)
    expression = np.random.default_rng(0).uniform(0, 0.5, (FRAMES, 52)).astype(np.float32)
    still = np.zeros((FRAMES, 3), np.float32)
    np.savez(
        folder / "face.npz",
        identity=np.zeros(model.identity.shape[0], np.float32),
        expression=expression,
        angles=still + 0.1 * time[:, None],
        translation=still,
        camera=np.array([60, SIZE / 2, SIZE / 2, 1.0], np.float32),
        points=np.asarray(model.vertices(expression=jnp.asarray(expression))[:, model.landmarks]),
        eyes=time,
    )
    np.savez(
        folder / "background.npz", picture=np.full((SIZE, SIZE, 3), 90, np.uint8), seen=np.ones((SIZE, SIZE), bool)
    )
    np.savez(folder / "torso.npz", maps=np.tile(np.eye(2, 3, dtype=np.float32), (FRAMES, 1, 1)))
    return PersonVideo(folder, {"frames": FRAMES, "size": SIZE, "sound": False})


@pytest.fixture(scope="module")
def person(video, tmp_path_factory) -> Path:
    def grid(dims):
        return grid_encoding.Config(dims=dims, levels=2, finest=32, log2_rows=8)

    config = Config(position_grid=grid(3), ambient_grid=grid(2), torso_grid=grid(2), width=8, geometry=8, frames=3)
    config = dataclasses.replace(config, eyes=True)
    lattice = Lattice(cells=Cells(side=16), most=32, growth=0.0)
    given = ((5, 1, 204), (1, 3), (1, 3), (1, 2), (6,), (), (1,))
    inputs = [jnp.zeros(shape, jnp.int32 if shape == () else jnp.float32) for shape in given]
    abstract = jax.eval_shape(RadNerf(config).init, jax.random.key(0), *inputs)
    params = jax.tree.map(jnp.asarray, golden_fixture.variables(abstract)["params"])
    ball = jnp.where(jnp.linalg.norm(occupancy.places(lattice.cells), axis=-1) < 0.5, 100.0, 0.0)
    folder = tmp_path_factory.mktemp("person")
    variables = {"params": params, "batch_stats": {"occupancy": ball}}
    rest = Rest(*map(jnp.asarray, video.normal), 0.01)
    avatar = Avatar(RadNerf(config), lattice, video.camera, SIZE, rest)
    angles, translation = (jnp.asarray(video.face[name][video.train]) for name in ("angles", "translation"))
    nothing = jnp.zeros((len(angles), 1))
    sway = jnp.tile(jnp.eye(2, 3), (len(angles), 1, 1))
    tracked = Moment(nothing[..., None, None], nothing, rotation.matrix(angles), translation, sway)
    heads = tracked.turned(jnp.full((len(angles), 6), 0.01))
    avatar_store.save(folder, avatar, variables, video, heads, "made by a test")
    return folder


@pytest.fixture(scope="module")
def speech(tmp_path_factory) -> Path:
    samples, rate = soundfile.read(Path(str(resources.files("jaxtalk") / "samples" / "speech.flac")))
    path = tmp_path_factory.mktemp("speech") / "a word.wav"
    soundfile.write(path, samples[rate : int(1.4 * rate)], rate)
    return path


def test_what_is_kept_is_what_was_made(person, video):
    avatar, variables, kept = avatar_store.load(person)
    assert avatar.size == SIZE and avatar.lattice.most == 32 and avatar.network.config.width == 8
    turned = kept.translation - video.face["translation"][video.train]
    np.testing.assert_allclose(turned, 0.01 * avatar_field.UNIT, rtol=1e-4)  # as learnt, not as tracked
    assert (kept.angles != video.face["angles"][video.train]).all() and avatar.rest.reach == 0.01
    np.testing.assert_allclose(kept.mean, video.normal[0], atol=1e-6)
    assert variables["batch_stats"]["occupancy"].shape == (1, 16, 16, 16)


def test_a_copy_must_be_whole(person, tmp_path):
    for name in (avatar_store.FIELD, avatar_store.PERSON):
        (tmp_path / name).write_bytes((person / name).read_bytes())
    (tmp_path / avatar_store.SPEECH["postnet"]).write_bytes(b"corrects")
    avatar_store.finish(tmp_path, {"of": "me.mp4"})
    avatar_store.check(tmp_path)
    (tmp_path / avatar_store.SPEECH["postnet"]).write_bytes(b"another")
    with pytest.raises(InputError, match="postnet.safetensors: is not the file that avatar.json names"):
        avatar_store.load(tmp_path)
    (tmp_path / avatar_store.SPEECH["postnet"]).unlink()
    with pytest.raises(InputError, match="postnet.safetensors is missing"):
        avatar_store.load(tmp_path)
    (tmp_path / avatar_store.MANIFEST).write_text("{")
    with pytest.raises(InputError, match="avatar.json: is damaged"):
        avatar_store.load(tmp_path)


@pytest.fixture(scope="module")
def clear(person, speech, tmp_path_factory) -> np.ndarray:
    """The frames [t h w 4] of the avatar without a background."""
    folder = tmp_path_factory.mktemp("clear") / "frames"
    cli.main(["avatar", "render", str(person), str(speech), "-o", str(folder), "--background", "transparent"])
    assert json.loads((folder / "provenance.json").read_text())["synthetic"]
    return np.stack([np.asarray(Image.open(one), float) for one in sorted(folder.glob("*.png"))])


def laid_over(background, clear):
    opacity = clear[..., 3:] / 255
    return opacity * clear[..., :3] + (1 - opacity) * background


def test_an_avatar_speaks_and_is_the_same_without_its_background(clear, person, speech, tmp_path, capsys):
    cli.main(["avatar", "render", str(person), str(speech), "-o", str(tmp_path / "out.mp4")])
    assert capsys.readouterr().out.strip() == str(tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as file:
        picture = file.streams.video[0]
        assert (picture.width, picture.height, picture.frames) == (SIZE, SIZE, 10)
        assert file.streams.audio and "synthetic" in file.metadata["comment"]
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]).astype(float)
    assert np.abs(np.diff(clear[..., :3], axis=0)).max() > 2  # something moves
    assert clear.shape == (10, SIZE, SIZE, 4) and np.ptp(clear[..., 3]) > 25 and clear[..., 3].min() < 230
    assert np.abs(laid_over(90, clear) - frames).mean() < 3  # what coding loses
    assert (tmp_path / "out.mp4.json").is_file()


def test_landmarks_are_those_of_the_fitted_face_and_stay_near_the_person_s_own(person, video, speech):
    _, _, kept = avatar_store.load(person)
    points = avatar_speech.landmarks(kept, jnp.asarray(kept.expression))
    np.testing.assert_allclose(points, video.points[video.train], atol=1e-5)
    wave = np.asarray(soundfile.read(speech)[0], np.float32)
    loud = RenderOptions(person=person, speech=speech, mouth=4.0)
    told = avatar_moments.told(kept, wave, loud, smoothed=5)
    assert np.isfinite(told.windows).all() and np.abs(told.windows).max() <= 2.5 + 1e-3
    still = avatar_moments.told(kept, wave, dataclasses.replace(loud, pose="still", blink="none"), smoothed=5)
    assert np.ptp(np.asarray(still.rotation), axis=0).max() < 1e-6 and np.ptp(np.asarray(still.eyes)) == 0


def test_the_clip_is_played_forth_and_back():
    assert avatar_moments.forth_and_back(4, 9).tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert avatar_moments.forth_and_back(1, 3).tolist() == [0, 0, 0]


def test_a_larger_picture_shows_the_same(clear, person, speech):
    avatar, variables, kept = avatar_store.load(person)
    told = RenderOptions(person=person, speech=speech)
    moments = avatar_moments.told(kept, np.asarray(soundfile.read(speech)[0], np.float32), told, smoothed=5)
    draw = avatar_render.drawer(avatar_render.enlarged(avatar, 3 * SIZE), variables, None)
    large = np.asarray(draw(jax.tree.map(lambda x: x[0], moments)), float)
    assert large.shape == (3 * SIZE, 3 * SIZE, 4)
    middle = large[1::3, 1::3]  # a third pixel's middle is a pixel's middle
    assert np.abs(laid_over(0, middle) - laid_over(0, clear[0])).mean() < 2


def test_backgrounds_are_colours_or_the_middle_of_pictures(tmp_path):
    own = np.zeros((SIZE, SIZE, 3), np.uint8)
    assert (avatar_render._background(Path("#0180ff"), own, 8) == [1, 128, 255]).all()
    assert avatar_render._background(None, own, SIZE).shape == own.shape
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 200
    image.save(tmp_path / "wide.png", wide)
    assert (avatar_render._background(tmp_path / "wide.png", own, 8) == 200).all()


@pytest.mark.parametrize("kind", ["no avatar", "damaged", "mouth", "suffix", "clear", "full", "colour", "size"])
def test_wrong_input_is_one_line_and_nothing_is_written(kind, person, speech, tmp_path, capsys):
    folder, out = person, tmp_path / "out.mp4"
    if kind == "no avatar":
        folder = tmp_path
    elif kind == "damaged":
        folder = tmp_path / "person"
        folder.mkdir()
        (folder / avatar_store.FIELD).write_bytes((person / avatar_store.FIELD).read_bytes())
        (folder / avatar_store.PERSON).write_bytes(b"PK not really")
    elif kind == "suffix":
        out = tmp_path / "out.gif"
    elif kind == "full":
        out = tmp_path / "pictures"
        (out / "mine").mkdir(parents=True)
    told = {"mouth": "9", "size": "5", "colour": "#12", "clear": "transparent", "full": "transparent"}.get(kind)
    flag = f"--{kind}" if kind in ("mouth", "size") else "--background"
    more = [flag, told] if told else []
    with pytest.raises(SystemExit) as stopped:
        cli.main(["avatar", "render", str(folder), str(speech), "-o", str(out), *more])
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert stopped.value.code == 2 and (not out.exists() or kind == "full")
    said = {"no avatar": "holds no avatar", "damaged": "is damaged", "suffix": ".mp4", "clear": "cannot be transparent"}
    assert (said | {"full": "not an empty folder", "colour": "six digits"}).get(kind, f"--{kind}") in line
