"""One person's video made into an avatar's data: a made-up clip with known labels, and videos that will not do."""

import json
import subprocess
import sys
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageDraw

from jaxtalk.data import person_labels, person_scan, person_video, random_walk, still_background, track_video
from jaxtalk.errors import InputError
from jaxtalk.face import builtin, fit, head_outline, mediapipe, rigid_pose, rotation
from jaxtalk.face.camera import Pinhole
from jaxtalk.face.model import normals, pose
from jaxtalk.io import video
from jaxtalk.render.rasterise import interpolate, rasterise

SIZE, COUNT = 96, 16
CAMERA = Pinhole(jnp.float32(225.0), jnp.array([48.0, 42.0]), jnp.float32(1.0))


def background():
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    return np.stack([60 + 40 * x, 120 + 50 * y, 170 + 20 * np.sin(9 * x)], -1)


def body():
    """Where the torso is, drawn before the neck."""
    canvas = Image.new("L", (SIZE, SIZE))
    ImageDraw.Draw(canvas).polygon([(8, 96), (18, 80), (38, 71), (58, 71), (78, 80), (88, 96)], fill=1)
    return np.asarray(canvas, bool)


class Made:
    """A head that turns and nods over a still background, and what is true of it."""

    def __init__(self):
        model, time = builtin.model(), np.linspace(0, 2 * np.pi, COUNT)
        self.angles = np.stack([0.10 * np.sin(time), 0.25 * np.cos(time), 0.06 * np.sin(2 * time)], 1).astype(
            np.float32
        )
        self.translation = np.stack([0.02 * np.cos(time), 0.004 * np.sin(time), 0 * time], 1).astype(np.float32)
        rest = model.vertices()
        hair = np.asarray((rest[:, 1] > 0.06) | ((rest[:, 2] < 0.01) & (rest[:, 1] > -0.05)))
        colour = jnp.asarray(np.where(hair[:, None], [0.16, 0.1, 0.07], [0.85, 0.6, 0.5]), jnp.float32)
        self.pictures, self.labels, places = [], [], []
        for angles, translation in zip(self.angles, self.translation, strict=True):
            posed = pose(rest, jnp.asarray(angles), jnp.asarray(translation))
            screen = CAMERA.project(posed)
            seen = rasterise(screen, model.triangles, SIZE, SIZE, perspective=True)
            light = 0.6 + 0.4 * jnp.clip(
                interpolate(seen, model.triangles, normals(posed, model.triangles))[..., 2:], 0
            )
            drawn = np.asarray(255 * light * interpolate(seen, model.triangles, colour))
            torso = body()
            head = np.asarray(seen.triangle >= 0) & ~torso
            picture = np.where(head[..., None], drawn, np.where(torso[..., None], [35.0, 35.0, 60.0], background()))
            self.pictures.append(np.uint8(picture))
            self.labels.append(np.stack([head, torso], -1))
            places.append(np.asarray(screen[model.landmarks, :2]))
        self.pictures, self.labels, self.places = (
            np.stack(x) for x in (self.pictures, self.labels, np.float32(places))
        )

    def write(self, folder: Path, name="made") -> tuple[Path, Path]:
        """Its video without sound, and its track."""
        film(folder / f"{name}.mp4", self.pictures)
        mesh = np.zeros((COUNT, 478, 3), np.float32)
        mesh[:, mediapipe.LANDMARKS_68, :2] = self.places / SIZE
        np.savez(folder / f"{name}.npz", landmarks=mesh, height_width=[SIZE, SIZE], fps=25.0)
        return folder / f"{name}.mp4", folder / f"{name}.npz"


def film(path, pictures):
    with video.Writer(path, pictures[0].shape[1], pictures[0].shape[0], fps=25.0, crf=8) as writer:
        for picture in pictures:
            writer.write(picture)
    return path


def overlap(ours, true):
    return (ours & true).sum() / (ours | true).sum()


@pytest.fixture(scope="module")
def made():
    return Made()


def nearly(made):
    """A fit of the made-up clip whose pose shakes by a degree and two millimetres."""
    rng = np.random.default_rng(2)

    def fitted(model, landmarks, *, confidence=None, carry=None):
        return fit.Fit(
            jnp.zeros(model.identity.shape[0]),
            jnp.asarray(rng.uniform(0, 0.1, (COUNT, 52)), jnp.float32),
            jnp.asarray(made.angles + rng.normal(0, 0.017, made.angles.shape), jnp.float32),
            jnp.asarray(made.translation + rng.normal(0, 0.002, made.angles.shape), jnp.float32),
            CAMERA,
            jnp.zeros(COUNT),
        )

    return fitted


@pytest.fixture(scope="module")
def prepared(made, tmp_path_factory):
    """The folder of the made-up clip, which is shorter than a person's video may be."""
    folder = tmp_path_factory.mktemp("person")
    clip, track = made.write(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "fit_sequence", nearly(made))  # has tests of its own, and takes long to compile
        patch.setattr(person_scan, "SHORTEST", 0.5)
        patch.setattr(person_scan, "LARGE", 3.0)  # all of the picture, so that pixels can be compared
        person = person_video.prepare(clip, folder / "out", size=SIZE, track=track)
    return person, clip, track


def test_labels_of_a_made_up_clip_are_nearly_the_true_ones(prepared, made):
    person, _, _ = prepared
    left, top, side = person.notes["square"]
    assert side == SIZE == person.labels.shape[1]
    ours = person.labels > 127
    assert overlap(ours[..., 0], made.labels[..., 0]) > 0.9
    assert overlap(ours[..., 1], made.labels[..., 1]) > 0.9
    assert person.labels.astype(int).sum(-1).max() <= 256


def test_the_pose_is_brought_back_to_that_of_the_made_up_head(prepared, made):
    person, _, _ = prepared
    assert person.notes["pixels"]["error"] < 0.3 < person.notes["pixels"]["error_of_fit"]
    turn = np.asarray(rotation.matrix(jnp.asarray(person.face["angles"])))
    true = np.asarray(rotation.matrix(jnp.asarray(made.angles)))
    between = np.einsum("tji,tjk->tik", true, turn)  # a constant turn is the face's, not the pose's
    apart = np.asarray(rotation.angles(jnp.asarray(between)))
    assert np.rad2deg(np.abs(apart - np.median(apart, 0)).max()) < 2.0


def test_the_background_is_right_where_it_was_seen_and_filled_elsewhere(prepared):
    person, _, _ = prepared
    error = np.abs(person.background - background())
    assert 0.3 < person.background_seen.mean() < 0.9
    assert error[person.background_seen].mean() < 4
    assert error[~person.background_seen].mean() < 40


def test_what_the_folder_gives_has_one_row_for_each_frame(prepared, made):
    person, _, _ = prepared
    assert person.frames == COUNT == len(person.pictures) == len(person.eyes) == len(person.condition)
    assert person.speech is None and not person.notes["sound"]
    assert (person.train.stop, person.held_out.stop) == (COUNT - round(COUNT * 16 / 71), COUNT)
    assert np.abs(person.condition[person.train].mean(0)).max() < 1e-2
    assert np.abs(person.pictures.astype(int) - made.pictures).mean() < 3
    outside = person.labels[3].sum(-1) == 0
    assert (person.behind_head(3)[outside] == person.pictures[3][outside]).all()


def test_a_finished_folder_is_taken_as_it_is_and_a_broken_one_goes_on(prepared, monkeypatch):
    person, clip, track = prepared
    stamp = (person.folder / "pictures.npy").stat().st_mtime_ns
    labels = (person.folder / "labels.npy").read_bytes()
    assert person_video.prepare(clip, person.folder, size=SIZE, track=track).notes == person.notes
    (person.folder / "labels.npy").unlink()
    (person.folder / person_video.NOTE).unlink()
    with pytest.raises(InputError, match="finished"):
        person_video.read(person.folder)
    monkeypatch.setattr(person_scan, "scan", None)  # is not looked at again
    monkeypatch.setattr(person_video, "_face", None)
    assert person_video.prepare(clip, person.folder, size=SIZE, track=track).notes == person.notes
    assert (person.folder / "pictures.npy").stat().st_mtime_ns == stamp
    assert (person.folder / "labels.npy").read_bytes() == labels
    with pytest.raises(InputError, match="other settings"):
        person_video.prepare(clip, person.folder, size=64, track=track)


def still(count, level=90, size=48):
    return [np.full((size, size, 3), level, np.uint8)] * count


def moving(count, size=48):
    noise = np.random.default_rng(0).integers(0, 255, (size // 8, size // 8, 3)).astype(np.uint8)
    large = np.kron(noise, np.ones((8, 8, 1), np.uint8))
    return [np.roll(large, k // 3, axis=1) for k in range(count)]


def refused(path, folder, **options) -> str:
    with pytest.raises(InputError) as error:
        person_video.prepare(path, folder, size=64, **options)
    assert "\n" not in str(error.value) and str(path) in str(error.value)
    assert not folder.exists()
    return str(error.value)


def test_videos_that_will_not_do_are_refused_before_anything_is_written(tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert "at least 5 s" in refused(film(tmp_path / "short.mp4", still(25)), out)
    halves = still(75, 40) + still(75, 200)
    assert "cut at 3.00 s" in refused(film(tmp_path / "cut.mp4", halves), out)
    assert "camera" in refused(film(tmp_path / "moving.mp4", moving(130)), out)
    (tmp_path / "text.mp4").write_text("no video")
    refused(tmp_path / "text.mp4", out)

    def nobody(frames):
        for _ in frames:
            yield track_video.Seen(0, None, track_video.NOBODY)

    monkeypatch.setattr(person_scan, "by_networks", nobody)
    assert "at 0.0 s no face is found" in refused(film(tmp_path / "empty.mp4", still(130)), out)


def test_a_few_frames_without_a_face_are_kept_and_told(tmp_path, monkeypatch, made):
    def most(frames):
        for k, _ in enumerate(frames):
            yield track_video.Seen(0, None, "") if k in (40, 41) else track_video.Seen(0, made.places[k % COUNT] / 2)

    monkeypatch.setattr(person_scan, "by_networks", most)
    seen = person_scan.scan(film(tmp_path / "some.mp4", still(130))).seen
    assert np.flatnonzero(~seen).tolist() == [40, 41] and len(seen) == 130


def test_the_square_holds_hair_and_shoulders_and_stays_in_upright_pictures(made):
    points = made.places[:, :, :] + np.float32([100, 300])
    left, top, side = person_scan.square(points, 800, 300)
    low, high = points.min((0, 1)), points.max((0, 1))
    assert side <= 300 and 0 <= left <= 300 - side and 0 <= top <= 800 - side
    assert top < low[1] - 0.4 * np.ptp(points[0, :, 1]) and top + side > high[1] + 0.4 * np.ptp(points[0, :, 1])


def test_smoothing_takes_out_shaking_and_leaves_slow_movement():
    time = np.linspace(0, 6, 300)[:, None]
    true = (0.1 * np.sin(time + np.arange(6))).astype(np.float32)
    noisy = true + np.random.default_rng(1).normal(0, 0.01, true.shape).astype(np.float32)
    seen = np.ones(300, bool)
    seen[50:60] = False
    noisy[50:60] = 9.0  # what is there where nothing was seen
    smooth = rigid_pose.smoothed(noisy, seen, (100.0,) * 3)
    assert np.abs(smooth - true).std() < 0.4 * 0.01


def test_a_walk_stops_at_an_edge_and_shares_sum_to_one():
    picture = np.zeros((1, 12, 12, 3), np.float32)
    picture[:, :, 6:] = 0.8
    belief = np.full((1, 12, 12, 2), 0.5, np.float32)
    belief[0, 5, 1], belief[0, 5, 10] = [1, 0], [0, 1]
    trust = np.full((1, 12, 12), 1e-3, np.float32)
    trust[0, 5, 1] = trust[0, 5, 10] = 10.0
    shares = np.asarray(random_walk.walk(jnp.asarray(picture), jnp.asarray(belief), jnp.asarray(trust), 200))
    np.testing.assert_allclose(shares.sum(-1), 1.0, atol=1e-2)
    assert (shares[0, :, :6, 0] > 0.7).all() and (shares[0, :, 6:, 1] > 0.7).all()


def test_a_background_that_is_never_seen_is_grey():
    picture, seen = still_background.picture(np.zeros((4, 8, 8, 3), np.uint8), np.full((4, 8, 8, 2), 127, np.uint8))
    assert not seen.any() and (picture == still_background.GREY).all()


def test_the_outline_holds_the_face_and_its_distance_is_negative_inside(made):
    fitted = fit.Fit(
        jnp.zeros(builtin.model().identity.shape[0]),
        jnp.zeros((COUNT, 52)),
        jnp.asarray(made.angles),
        jnp.asarray(made.translation),
        CAMERA,
        jnp.zeros(COUNT),
    )
    outline = head_outline.outlines(builtin.model(), fitted)[0]
    distance = outline.distance(SIZE, SIZE)
    column, row = made.places[0, 30].astype(int)
    assert distance[row, column] < -5 and distance[2, 2] > 5
    head = made.labels[0, ..., 0] & (np.arange(SIZE)[:, None] < outline.chin[1])
    assert overlap((distance < 0) & (np.arange(SIZE)[:, None] < outline.chin[1]), head) > 0.9


@pytest.mark.slow
def test_a_real_person_is_told_from_room_and_clothes(media, tmp_path):
    clip, track = media / "video" / "german_20s.mp4", media / "tracks" / "german_20s.npz"
    person = person_video.prepare(clip, tmp_path / "out", size=128, track=track)
    notes = json.loads((tmp_path / "out" / person_video.NOTE).read_text())
    assert notes["sound"] and len(person.speech) == 640 * person.frames
    assert notes["pixels"]["error"] < 0.5 < notes["pixels"]["error_of_fit"]  # at 128 pixels
    head, torso = (person.labels[::20, ..., k] / 255 for k in range(2))
    assert 0.25 < head.mean() < 0.45 and 0.15 < torso.mean() < 0.4
    assert head[:, :15, :20].max() < 0.1 and torso[:, :64].max() < 0.1  # the room, and nothing below the chin


KILLED = """
import sys
from pathlib import Path
from jaxtalk.data import person_video
person_video.prepare(Path(sys.argv[1]), Path(sys.argv[2]), size=48)
"""


@pytest.mark.slow
def test_killed_again_and_again_the_bytes_are_the_same(media, tmp_path):
    """Real kills: in the midst of following, cutting, fitting and labelling, with the project's own networks."""
    clip = media / "video" / "german_20s.mp4"

    def start(folder):
        return subprocess.Popen([sys.executable, "-c", KILLED, clip, tmp_path / folder])

    for kept in (person_video.FOLLOWED, "pictures.rows", person_video.FITTED, "labels.rows"):
        running = start("killed")
        while not (tmp_path / "killed" / kept).exists():
            assert running.poll() is None, f"was over before {kept} was there"
            time.sleep(0.002)
        running.kill()
        running.wait()
    assert start("killed").wait() == 0 and start("straight").wait() == 0
    names = sorted(path.name for path in (tmp_path / "straight").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "killed").iterdir() if path.suffix != ".part")
    for name in names:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes(), name


def test_learning_needs_no_torso(made):
    """A picture that ends at the chin has none."""
    fitted = [head_outline.Outline(np.float32([[20, 5], [75, 5], [75, 94], [20, 94]]), np.float32([48, 94]))] * COUNT
    known = person_labels.learn(made.pictures, fitted)
    labels = person_labels.label(made.pictures[:2], fitted[:2], known)
    assert (labels[:, 40:60, 30:60, 0] > 200).all() and np.isfinite(known.colours).all()
