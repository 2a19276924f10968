"""LMD: which points, centred or not, over the eyes' distance."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.metrics import landmark_distance as metric

RNG = np.random.default_rng(0)
TRUTH = (100 * RNG.random((3, 5, 68, 2))).astype(np.float32)
TRUTH[..., 36, :], TRUTH[..., 45, :] = (10, 20), (70, 100)  # 100 apart
PREDICTED = (TRUTH + RNG.normal(size=TRUTH.shape)).astype(np.float32)


def landmark_distance(predicted, truth, part="mouth", **options):
    return np.asarray(metric.landmark_distance(jnp.asarray(predicted), jnp.asarray(truth), part, **options))


def test_is_the_mean_distance_of_the_parts_points():
    for part, points in (("face", slice(0, 68)), ("mouth", slice(48, 68))):
        expected = np.sqrt(((PREDICTED - TRUTH)[..., points, :] ** 2).sum(-1)).mean(-1)
        np.testing.assert_allclose(landmark_distance(PREDICTED, TRUTH, part), expected, rtol=1e-5)


def test_one_point_three_and_four_pixels_off():
    moved = TRUTH.copy()
    moved[..., 60, :] += (3, 4)
    np.testing.assert_allclose(landmark_distance(moved, TRUTH), np.full((3, 5), 5 / 20), rtol=1e-5)
    np.testing.assert_allclose(landmark_distance(moved, TRUTH, "face"), np.full((3, 5), 5 / 68), rtol=1e-5)
    moved[..., :48, :] += 50  # what is no mouth
    np.testing.assert_allclose(landmark_distance(moved, TRUTH), np.full((3, 5), 5 / 20), rtol=1e-5)


@pytest.mark.parametrize("part", ["mouth", "face"])
def test_centred_ignores_where_each_frames_part_is_but_not_its_size(part):
    moved = PREDICTED + RNG.normal(size=(3, 5, 1, 2)).astype(np.float32) * 30
    still = landmark_distance(PREDICTED, TRUTH, part, centred=True)
    np.testing.assert_allclose(landmark_distance(moved, TRUTH, part, centred=True), still, rtol=1e-4)
    assert (landmark_distance(moved, TRUTH, part) > still).all()
    assert (landmark_distance(1.2 * TRUTH, TRUTH, part, centred=True) > 2).all()


def test_over_the_eyes_is_the_same_at_every_size_of_frame():
    pixels = landmark_distance(PREDICTED, TRUTH)
    np.testing.assert_allclose(landmark_distance(2 * PREDICTED, 2 * TRUTH), 2 * pixels, rtol=1e-5)
    np.testing.assert_allclose(landmark_distance(PREDICTED, TRUTH, over_eyes=True), pixels / 100, rtol=1e-5)
    np.testing.assert_allclose(landmark_distance(2 * PREDICTED, 2 * TRUTH, over_eyes=True), pixels / 100, rtol=1e-5)


def test_profiles_and_faces_of_one_point_are_finite():
    profile = TRUTH.copy()
    profile[..., 45, :] = profile[..., 36, :]
    box = (profile.max(-2) - profile.min(-2)).max(-1)
    expected = landmark_distance(PREDICTED, profile) / (box / 4)
    np.testing.assert_allclose(landmark_distance(PREDICTED, profile, over_eyes=True), expected, rtol=1e-5)
    assert float(landmark_distance(np.zeros((68, 2)), np.zeros((68, 2)), "face", over_eyes=True)) == 0
