"""The shipped face network on what it is used for: the distance of pictures, and people of real videos told apart."""

import itertools
from importlib import resources
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageFilter

from jaxtalk.face import detect
from jaxtalk.io import image, video
from jaxtalk.metrics import fid, lpips
from jaxtalk.metrics.auc import auc
from jaxtalk.metrics.identity import csim_to_one
from jaxtalk.systems import identity


@pytest.fixture(scope="module")
def portrait():
    """The shipped sample and its landmarks."""
    picture = image.load(Path(str(resources.files("jaxtalk") / "samples" / "portrait.jpg")))
    return picture, detect.faces(picture)[0].landmarks


def distances(base, others):
    """Distance of each of the uint8 crops to the first, and of their pooled features."""
    crops = jnp.asarray(np.stack([base, *others]), jnp.float32) / 255
    found = identity.perceptual(identity.shipped().variables, crops)
    first = [jnp.broadcast_to(m[:1], m.shape) for m in found.maps]
    apart = jnp.linalg.norm(found.pooled - found.pooled[:1].repeat(len(crops), 0), axis=-1)
    return np.asarray(lpips.lpips(first, found.maps)), np.asarray(apart)


def test_distance_grows_with_blur_noise_and_landmarks_that_are_off(portrait):
    picture, landmarks = portrait
    base = identity.crop(picture, landmarks)
    blurred = [np.asarray(Image.fromarray(base).filter(ImageFilter.GaussianBlur(s))) for s in (0.5, 1, 2, 4)]
    grain = np.random.default_rng(0).normal(0, 1, base.shape)
    noisy = [np.clip(base + s * grain, 0, 255).astype(np.uint8) for s in (3, 8, 20, 50)]
    size = np.ptp(landmarks, axis=0).max()
    moved = [identity.crop(picture, landmarks + s * size * np.array([1, 0.5])) for s in (0.01, 0.03, 0.06, 0.12)]
    for others in (blurred, noisy, moved):
        maps, pooled = distances(base, others)
        assert maps[0] == 0 and pooled[0] == 0
        assert (np.diff(maps) > 0).all(), maps
        assert pooled[1:].min() > 0 and pooled[-1] > pooled[1]


def test_frechet_distance_of_pooled_features_grows_with_blur(portrait):
    picture, landmarks = portrait
    rng = np.random.default_rng(0)
    shifts = rng.normal(0, 0.02 * np.ptp(landmarks), (24, 2))
    crops = [Image.fromarray(identity.crop(picture, landmarks + shift)) for shift in shifts]

    def moments(sigma):
        spoilt = np.stack([np.asarray(c.filter(ImageFilter.GaussianBlur(sigma)), np.float32) for c in crops]) / 255
        return fid.Moments.of(identity.perceptual(identity.shipped().variables, jnp.asarray(spoilt)).pooled)

    clean, *others = (moments(sigma) for sigma in (0, 1, 2, 4))
    values = [fid.Frechet(other, clean).value() for other in (clean, *others)]
    assert values[0] == pytest.approx(0, abs=1e-6) and (np.diff(values) > 0).all(), values


def test_distance_has_finite_gradients_on_black_and_grey():
    variables = identity.shipped().variables
    pictures = jnp.stack([jnp.zeros((32, 32, 3)), jnp.full((32, 32, 3), 0.5)])

    def distance(x):
        return lpips.lpips(identity.perceptual(variables, x).maps, identity.perceptual(variables, pictures).maps).sum()

    assert np.isfinite(jax.jit(jax.grad(distance))(pictures + 0.1)).all()


def test_embeddings_do_not_depend_on_what_else_is_in_the_batch(portrait):
    base = identity.crop(*portrait)
    embed = identity.embedder()
    many = embed(np.stack([base] * 3 + [base[:, ::-1]] * 15))
    assert many.shape == (18, 128)
    np.testing.assert_allclose(many[:3], embed(base[None]).repeat(3, 0), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(many, axis=-1), 1, atol=1e-5)


def test_a_picture_without_a_face_has_no_crop():
    assert identity.crop(np.full((80, 80, 3), 90, np.uint8)) is None


def test_people_of_real_videos_are_told_apart(media):
    clips = ("cnn2_25fps", "hdtf_katiehill", "WDA_BobMenendez_000", "vox_00473", "vox_620900105", "vrt_3")
    frames = [list(itertools.islice(video.frames(media / f"video/{clip}.mp4"), 0, 101, 50)) for clip in clips]
    crops = np.stack([identity.crop(picture) for clip in frames for picture in clip])
    embedding = identity.embedder()(crops).reshape(len(clips), 3, -1)
    same = csim_to_one(jnp.asarray(embedding[:, 1:]), jnp.asarray(embedding[:, 0])).ravel()
    others = jnp.asarray(
        [embedding[a, i] @ embedding[b, j] for a in range(6) for b in range(a) for i in range(3) for j in range(3)]
    )
    assert auc(same, others) > 0.95
    assert same.mean() > others.mean() + 0.3
