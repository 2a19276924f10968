"""Aligned crops against scikit-image's similarity transform, and as the networks are given them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageDraw
from skimage import transform

from jaxtalk.face import align, crop

RNG = np.random.default_rng(0)


def face(rng=RNG, scale=2.3, angle=0.4, move=(180.0, 140.0), noise=4.0):
    """68 points whose five are a turned, grown, moved template with noise."""
    points = rng.normal(0, 30, (68, 2)) + 56
    goal = align.TEMPLATE + rng.normal(0, noise, (5, 2))
    points[36:42], points[42:48] = (goal[k] + rng.normal(0, 2, (6, 2)) for k in (0, 1))
    points[[30, 48, 54]] = goal[2:]
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points @ turn.T + move).astype(np.float32)


@pytest.mark.parametrize("angle", [-2.5, -0.3, 0.0, 1.2, 3.0])
def test_frame_is_umeyamas_similarity(angle):
    landmarks = face(angle=angle)
    frame = align.aligned_frame(jnp.asarray(landmarks))
    # Their pixel 0 has its middle at 0, ours at 0.5, in the picture as in the crop.
    five = np.stack([landmarks[36:42].mean(0), landmarks[42:48].mean(0), *landmarks[[30, 48, 54]]])
    theirs = transform.SimilarityTransform.from_estimate(five - 0.5, align.TEMPLATE)
    want = theirs(landmarks - 0.5) + 0.5
    np.testing.assert_allclose(112 * crop.to_crop(jnp.asarray(landmarks), frame), want, atol=2e-3)


def test_a_face_like_the_template_has_its_five_points_on_it():
    landmarks = jnp.asarray(face(noise=0.0))
    inside = crop.to_crop(align.five_points(landmarks), align.aligned_frame(landmarks))
    np.testing.assert_allclose(112 * inside - 0.5, align.TEMPLATE, atol=1.5)  # eyes are means of six noisy points


def test_batches_and_single_faces_agree_and_gradients_are_finite():
    many = jnp.asarray(np.stack([face(angle=0.1 * k) for k in range(3)]))
    frames, alone_of = jax.jit(align.aligned_frame)(many), jax.jit(align.aligned_frame)
    for k in range(3):
        one = alone_of(many[k])
        for together, alone in zip(frames, one, strict=True):
            np.testing.assert_allclose(together[k], alone, rtol=1e-4, atol=1e-4)
    gradient = jax.jit(jax.grad(lambda p: sum(v.sum() for v in align.aligned_frame(p))))(many)
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


def test_points_in_one_place_give_a_frame_without_size():
    frame = align.aligned_frame(jnp.full((68, 2), 7.0))
    np.testing.assert_allclose(frame.centre, 7.0)
    assert frame.side == 0 and np.isfinite(frame.angle)


@pytest.mark.parametrize("size", [112, 96])
def test_crop_shows_each_point_at_its_place(size):
    landmarks = face(noise=0.0)
    five = np.asarray(align.five_points(jnp.asarray(landmarks)))
    picture = Image.new("RGB", (480, 480))
    for x, y in five:
        ImageDraw.Draw(picture).ellipse([x - 5, y - 5, x + 5, y + 5], fill="white")
    got = align.aligned(np.asarray(picture), landmarks, size)
    assert got.shape == (size, size, 3) and got.dtype == np.uint8
    frame = align.aligned_frame(jnp.asarray(landmarks))
    y, x = np.mgrid[:size, :size] + 0.5
    for place in size * np.asarray(crop.to_crop(jnp.asarray(five), frame)):
        near = got[..., 0] * (np.hypot(x - place[0], y - place[1]) < 6)
        middle = np.array([(x * near).sum(), (y * near).sum()]) / near.sum()
        np.testing.assert_allclose(middle, place, atol=0.4)


def test_crop_beyond_the_border_continues_it():
    landmarks = face(move=(0.0, 0.0), angle=0.0, scale=1.0)
    got = align.aligned(np.full((60, 60, 3), 77, np.uint8), landmarks)
    assert (got == 77).all()
