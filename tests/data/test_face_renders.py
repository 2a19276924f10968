"""Rendered heads, crops and scenes: the labels must lie where the picture shows what they name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.data import backgrounds, detector_scenes, face_augment, face_geometry, face_renders, head_mesh, render_set
from jaxtalk.errors import InputError
from jaxtalk.face.mediapipe import MIRROR_68


@pytest.fixture(scope="module")
def mesh():
    return head_mesh.load(None)


@pytest.fixture(scope="module")
def renders(mesh):
    render = face_renders.make_renderer(mesh, 96)
    return [render(seed) for seed in range(6)], render


def test_same_seed_same_picture_other_seed_another(renders):
    first, render = renders
    again = render(2)
    np.testing.assert_array_equal(again.image, first[2].image)
    np.testing.assert_array_equal(again.landmarks, first[2].landmarks)
    assert np.abs(first[1].image.astype(int) - first[2].image).mean() > 5


def test_views_show_one_person_in_other_moments(mesh, monkeypatch):
    seen, make_draw = [], face_geometry.make_draw

    def spy(*given):
        draw = make_draw(*given)
        return lambda drawn, lights, extra: seen.append((drawn, lights, extra)) or draw(drawn, lights, extra)

    monkeypatch.setattr(face_geometry, "make_draw", spy)
    render = face_renders.make_renderer(mesh, 48)
    pictures = [render(seed, view=view).image for seed, view in ((5, 0), (5, 1), (5, 0), (6, 0))]
    np.testing.assert_array_equal(pictures[0], pictures[2])
    (first, lights, glasses), (other, other_lights, other_glasses), _, (stranger, _, _) = seen
    for name in ("identity", "stretch", "warp", "hairline", "sheet_end"):
        np.testing.assert_array_equal(first[name], other[name])
        assert (first[name] != stranger[name]).any()
    for name in ("expression", "gaze", "angles", "distance"):
        assert (first[name] != other[name]).any()
    np.testing.assert_array_equal(glasses, other_glasses)
    assert (lights != other_lights).any()


def test_points_lie_on_the_head_and_fill_the_picture_as_asked(renders):
    for render in renders[0]:
        x, y = np.clip(render.landmarks.astype(int), 0, 95).T
        assert (render.alpha[y, x] > 0).mean() > 0.8
        low, high = render.landmarks.min(0), render.landmarks.max(0)
        assert (high - low).max() == pytest.approx(96 / 1.6, abs=0.1)
        np.testing.assert_allclose((low + high) / 2, 48, atol=0.1)


def test_open_mouth_moves_the_lower_lip_and_closed_lids_the_upper_lids(mesh):
    draw = face_geometry.make_draw(mesh, 96, 1.6)
    drawn = face_geometry.sample(np.random.default_rng(0), mesh)
    drawn["angles"] *= 0
    lights, extra = np.eye(5, 3, dtype=np.float32) + 0.1, np.zeros((4, 3), np.float32)

    def landmarks(**weights):
        drawn["expression"] = np.zeros(len(mesh.expression_names), np.float32)
        for name, weight in weights.items():
            drawn["expression"][mesh.expression_names.index(name)] = weight
        return np.asarray(draw(drawn, lights, extra).landmarks)

    still, jaw, lids = landmarks(), landmarks(jawOpen=0.8), landmarks(eyeBlinkLeft=1.0, eyeBlinkRight=1.0)
    assert jaw[66, 1] - jaw[62, 1] > still[66, 1] - still[62, 1] + 4
    assert (lids[41] - lids[37])[1] < 0.5 * (still[41] - still[37])[1]


def dotted(count, size=64):
    """Renders that are black but for a bright dot at each of three landmarks, and points spread like a face's."""
    rng = np.random.default_rng(1)
    points = np.zeros((count, 68, 2), np.float32) + size / 2 + rng.uniform(-8, 8, (count, 68, 2)).astype(np.float32)
    points[:, 36:42] = points[:, 36:42] * 0.1 + [size / 2 - 10, size / 2 - 6]
    points[:, 42:48] = points[:, 42:48] * 0.1 + [size / 2 + 10, size / 2 - 6]
    points[:, 8], points[:, 27] = [size / 2, size / 2 + 18], [size / 2, size / 2 - 4]
    y, x = np.mgrid[:size, :size] + 0.5
    images = np.zeros((count, size, size, 4), np.uint8)
    images[..., 3] = 255
    for channel, landmark in enumerate((30, 48, 19)):
        at = points[:, landmark]
        square = (x - at[:, 0, None, None]) ** 2 + (y - at[:, 1, None, None]) ** 2
        images[..., channel] = 255 * np.exp(-square / 8)
    return images, points


def centroid(image):
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    return np.array([(x * image).sum(), (y * image).sum()]) / image.sum() / image.shape[0]


def test_crops_keep_points_on_what_they_name():
    images, points = dotted(24)
    black = np.zeros((24, 80, 80, 3), np.uint8)
    keys = jax.random.split(jax.random.key(0))
    cut, place, face = face_augment.cut_out(keys[0], images, points, np.ones(24, bool), 80)
    composed, place, face = face_augment.compose(keys[1], cut, place, face, jnp.asarray(black))
    kept = np.flatnonzero(face)
    assert 10 < len(kept) < 24  # some are far off on purpose
    checked = 0
    for i in kept:
        nose = np.asarray(place[i, 30])
        if 0.1 < nose.min() and nose.max() < 0.9:
            np.testing.assert_allclose(centroid(np.asarray(composed[i, ..., 0])), nose, atol=0.02)
            left, right = sorted((float(place[i, 48, 0]), float(place[i, 54, 0])))
            assert left <= right
            checked += 1
    assert checked >= 8


def test_mirrored_crops_rename_the_points():
    images, points = dotted(1)
    many = [np.repeat(v, 40, 0) for v in (images, points)]
    keys = jax.random.split(jax.random.key(3))
    cut, place, face = face_augment.cut_out(keys[0], *many, np.ones(40, bool), 80)
    composed, after, face = face_augment.compose(keys[1], cut, place, face, jnp.zeros((40, 80, 80, 3), jnp.uint8))
    mirrored = np.abs(np.asarray(after[:, 30, 0] - place[:, 30, 0])) > 1e-4
    assert 10 < mirrored.sum() < 30
    for i in np.flatnonzero(mirrored & np.asarray(face)):
        other = np.asarray(place[i])[MIRROR_68]
        np.testing.assert_allclose(after[i], np.stack([1 - other[:, 0], other[:, 1]], -1), atol=1e-6)


def test_crops_stay_between_black_and_white_and_empty_ones_are_no_face():
    images, points = dotted(32)
    bank = backgrounds.bank(0, 32, 80, [])
    crops = face_augment.make_crops(
        jax.random.key(0), *map(jnp.asarray, (images, points, np.zeros(32, bool), bank)), face_augment.grain(0)
    )
    assert crops.image.shape == (32, 80, 80, 3)
    assert float(crops.image.min()) >= 0 and float(crops.image.max()) <= 1.01
    assert not crops.face.any()


def test_scenes_show_heads_where_they_say():
    images, points = dotted(32)
    heads = [jnp.asarray(v.reshape(16, 2, *v.shape[1:])) for v in (images, points)]
    face = jnp.asarray(np.tile([True, False], (16, 1)))
    scenes = detector_scenes.make_scenes(
        jax.random.key(1), *heads, face, jnp.zeros((16, 96, 96, 3), jnp.uint8), jnp.zeros((128, 128, 3))
    )
    assert not np.asarray(scenes.shown)[:, 1].any()  # what is no face is never to be found
    shown = np.flatnonzero(np.asarray(scenes.shown)[:, 0])
    assert len(shown) > 5
    side = np.asarray(scenes.side)
    assert (side >= detector_scenes.SMALLEST - 0.01).all() and (side <= detector_scenes.LARGEST + 0.01).all()


def test_backgrounds_are_reproducible_and_varied():
    one, two = backgrounds.bank(3, 12, 40, []), backgrounds.bank(3, 12, 40, [])
    np.testing.assert_array_equal(one, two)
    assert np.unique(one.mean((1, 2)).round(), axis=0).shape[0] > 8


def test_render_set_returns_what_was_written_and_goes_on(tmp_path):
    made = []

    def render(seed):
        made.append(seed)
        image = np.full((8, 8, 3), seed % 256, np.uint8)
        return face_renders.Render(image, image[..., 0], np.full((68, 2), seed, np.float32))

    render_set.write(tmp_path, render, range(0, 1200))
    render_set.write(tmp_path, render, range(0, 1200))
    assert made == list(range(1200))
    heads = render_set.RenderSet(tmp_path)
    assert len(heads) == 1200
    image, points = heads[777]
    assert (image == 777 % 256).all() and (points == 777).all()


def test_empty_render_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="no rendered heads"):
        render_set.RenderSet(tmp_path)


def test_wrong_face_model_is_named(tmp_path):
    path = tmp_path / "face.npz"
    path.write_bytes(b"no zip")
    with pytest.raises(InputError, match="face.npz: is no face model"):
        head_mesh.load(path)
