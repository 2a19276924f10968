"""Pictures and crops for Deep3DFaceRecon: landmarks stay on what they mark."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxtalk.data import clip, clip_frames, recon_crops, recon_frames
from jaxtalk.face import builtin, recon_crop

SIZE = 48


def face_points():
    """68 points of an upright face, about 50 pixels wide in a picture of 100."""
    place = np.asarray(builtin.model().template[builtin.model().landmarks])
    return np.stack([50 + 350 * place[:, 0], 50 - 350 * (place[:, 1] + 0.03)], -1).astype(np.float32)


def marked(points, which):
    """A black picture with a white spot at one of the points."""
    y, x = np.mgrid[:100, :100] + 0.5
    spot = np.exp(-((x - points[which, 0]) ** 2 + (y - points[which, 1]) ** 2) / (2 * 2.0**2))
    return np.concatenate([np.repeat((255 * spot)[..., None], 3, -1), np.full((100, 100, 1), 255)], -1).astype(np.uint8)


def brightest(image):
    """Middle of the white spot in pixels of 224."""
    light = np.asarray(image).sum(-1)
    light = np.where(light > 0.5 * light.max(), light, 0)
    y, x = np.mgrid[: len(light), : len(light)] + 0.5
    return np.array([(x * light).sum(), (y * light).sum()]) / light.sum() * recon_crop.SIZE / len(light)


def test_plain_crops_are_the_published_ones_but_for_rounding():
    points = face_points()
    crops = recon_crops.plain(jnp.asarray(marked(points, 30))[None], jnp.asarray(points)[None], SIZE)
    np.testing.assert_allclose(brightest(crops.image[0]), crops.landmarks[0, 30], atol=1.5)
    where = recon_crop.place(recon_crop.align(jnp.asarray(points)), 100, 100)
    np.testing.assert_allclose(crops.landmarks[0], where.to_crop(points), atol=2.5)


def test_spoilt_crops_keep_landmarks_on_their_place_also_in_the_mirror():
    points = face_points()
    outer_eye = 45  # is point 36 in the mirror
    pictures = jnp.asarray(np.stack([marked(points, outer_eye)] * 8))
    crops = recon_crops._random(
        jax.random.key(0), pictures, jnp.asarray(np.stack([points] * 8)), jnp.zeros((8, SIZE, SIZE, 3), jnp.uint8)
    )
    left = np.asarray(crops.landmarks[:, 36]), np.asarray(crops.landmarks[:, 45])
    spots = np.stack([brightest(image) for image in crops.image])
    apart = np.stack([np.linalg.norm(spots - side, axis=-1) for side in left])
    assert apart.min(0).max() < 2.5
    assert set(apart.argmin(0).tolist()) == {0, 1}  # some are mirrored, some are not
    assert np.ptp(np.asarray(crops.landmarks[:, 30]), axis=0).min() > 3


@pytest.fixture(scope="module")
def record():
    return clip.example(0, 0, 3)


def test_moments_of_a_clip_are_its_frames_turned_further(record):
    one, again = recon_frames.moments(record), recon_frames.moments(record)
    np.testing.assert_array_equal(one.rotation, again.rotation)
    assert one.expression.shape == (recon_frames.FRAMES, 52)
    for k in range(recon_frames.FRAMES):
        frame = np.flatnonzero((record["expression"] == one.expression[k]).all(-1))
        assert len(frame) and (record["translation"][frame] == one.translation[k]).all(-1).any()
        apart = np.abs(record["rotation"][frame] - one.rotation[k]).min(0)
        assert (apart <= 2.2 * recon_frames.TURN + 1e-6).all()


def test_frames_of_the_corpus_show_the_moments(record, monkeypatch):
    """What is drawn has tests of its own (test_clip_frames)."""
    given = []

    def draw(model, scene, *face):
        given.append(face)
        numbers = jnp.arange(recon_frames.FRAMES)
        pictures = jnp.broadcast_to(numbers[:, None, None, None], (recon_frames.FRAMES, 32, 32, 3))
        return pictures.astype(jnp.uint8), jnp.broadcast_to(1.0 * numbers[:, None, None], (recon_frames.FRAMES, 68, 2))

    monkeypatch.setattr(clip_frames, "TEXTURE", 64)
    monkeypatch.setattr(clip_frames, "draw", draw)
    render, moments = recon_frames.of_corpus([{}, record], 32), recon_frames.moments(record)
    for k in (2, 5):
        drawn = render(recon_frames.FRAMES + k)
        assert (drawn.image == k).all() and (drawn.landmarks == k).all() and (drawn.alpha == 255).all()
    ((identity, *motion, size),) = given  # drawn once for all frames of a clip
    assert size == 32
    np.testing.assert_array_equal(identity, record["identity"])
    for ours, true in zip(motion, moments[1:], strict=True):
        np.testing.assert_allclose(ours, true)


def test_records_with_frames_give_a_square_about_the_face():
    points = face_points()
    stream = io.BytesIO()
    Image.fromarray(marked(points, 30)[..., :3]).save(stream, "JPEG", quality=95)
    record = {"frames": [stream.getvalue()] * 20, "landmarks": np.stack([points] * 20)}
    drawn = recon_frames.of_records([record], 64)(3)
    assert drawn.image.shape == (64, 64, 3)
    found = brightest(drawn.image.astype(float)) * 64 / recon_crop.SIZE
    np.testing.assert_allclose(found, drawn.landmarks[30], atol=0.7)
    side = np.ptp(points[:, 0]) / np.ptp(drawn.landmarks[:, 0]) * 64
    crop = recon_crop.SIZE / float(recon_crop.align(jnp.asarray(points)).scale)
    np.testing.assert_allclose(side, recon_frames.MARGIN * crop, rtol=0.02)
