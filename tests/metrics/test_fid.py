"""Frechet distance: closed forms, scipy's matrix root, and statistics that merge exactly."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from jaxtalk.metrics.fid import Frechet, Moments, frechet_distance


def features(seed: int, count: int, width: int, shift: float = 0.0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    mix = draw.standard_normal((width, width)) * np.exp(-np.arange(width) / 8)[None]
    return (np.abs(draw.standard_normal((count, width))) @ mix + shift).astype(np.float32)


def covariance(seed: int, width: int, rank: int) -> np.ndarray:
    factor = np.random.default_rng(seed).standard_normal((width, rank))
    return factor @ factor.T / rank


def test_commuting_covariances_have_a_closed_form():
    a, b = np.array([4.0, 1.0, 0.0, 9.0]), np.array([1.0, 1.0, 2.0, 0.25])
    turn = scipy.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
    mean_a, mean_b = np.array([1.0, 2, 3, 4]), np.array([1.0, 0, 3, 5])
    got = frechet_distance(mean_a, turn * a[None] @ turn.T, mean_b, turn * b[None] @ turn.T)
    np.testing.assert_allclose(got, 5 + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum(), rtol=1e-6)
    one = frechet_distance(np.array([1.0]), np.array([[4.0]]), np.array([3.0]), np.array([[9.0]]))
    np.testing.assert_allclose(one, (1 - 3) ** 2 + (2 - 3) ** 2, rtol=1e-12)


def test_two_by_two_covariances_that_do_not_commute_have_a_closed_form():
    a, b = covariance(0, 2, 3), covariance(1, 2, 3)  # tr M^(1/2) = sqrt(tr M + 2 sqrt(det M)) of a 2 x 2 matrix
    overlap = np.sqrt(np.trace(a @ b) + 2 * np.sqrt(np.linalg.det(a @ b)))
    got = frechet_distance(np.zeros(2), a, np.zeros(2), b)
    np.testing.assert_allclose(got, np.trace(a) + np.trace(b) - 2 * overlap, rtol=1e-10)


def test_against_the_matrix_root_of_scipy():
    a, b = covariance(0, 40, 60), covariance(1, 40, 90)
    mean_a, mean_b = np.random.default_rng(2).standard_normal((2, 40))
    root = scipy.linalg.sqrtm(a @ b)
    expected = ((mean_a - mean_b) ** 2).sum() + np.trace(a) + np.trace(b) - 2 * np.trace(root).real
    np.testing.assert_allclose(frechet_distance(mean_a, a, mean_b, b), expected, rtol=1e-9)
    np.testing.assert_allclose(frechet_distance(mean_b, b, mean_a, a), expected, rtol=1e-9)


def test_singular_covariances_agree_with_the_singular_values_of_their_factors():
    left, right = (np.random.default_rng(i).standard_normal((64, 5)) for i in (0, 1))
    a, b, zero = left @ left.T, right @ right.T, np.zeros(64)
    overlap = np.linalg.svd(left.T @ right, compute_uv=False).sum()
    expected = np.trace(a) + np.trace(b) - 2 * overlap
    np.testing.assert_allclose(frechet_distance(zero, a, zero, b), expected, rtol=1e-6)
    apart = np.diag(np.r_[np.ones(32), np.zeros(32)]), np.diag(np.r_[np.zeros(32), np.ones(32)])
    np.testing.assert_allclose(frechet_distance(zero, apart[0], zero, apart[1]), 64, rtol=1e-6)
    np.testing.assert_allclose(frechet_distance(zero, a, zero, 0 * a), np.trace(a), rtol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 30, 500])
def test_equal_statistics_give_zero(count):
    x = features(0, count, 64)
    value = Frechet.of(x, x).value()
    assert 0 <= value <= 1e-6 * max(np.trace(Moments.of(x).covariance()), 1e-30)


def test_a_shift_of_all_features_gives_its_square():
    x = features(0, 300, 16)
    np.testing.assert_allclose(Frechet.of(x, x + np.float32(0.5)).value(), 16 * 0.25, rtol=1e-5)


def test_moments_are_numpys_and_merge_in_any_order_and_size():
    x = features(3, 1000, 12, shift=1000.0)  # far from 0: sums of squares would lose it
    whole = Moments.of(x)
    np.testing.assert_allclose(whole.mean, x.astype(np.float64).mean(0), rtol=1e-12)
    np.testing.assert_allclose(whole.covariance(), np.cov(x.astype(np.float64), rowvar=False), rtol=1e-10)
    parts = [Moments.of(part) for part in np.split(x, [1, 2, 50, 50, 700])]
    forward, backward = parts[0], parts[-1]
    for part in parts[1:]:
        forward = forward.merge(part)
    for part in parts[-2::-1]:
        backward = backward.merge(part)
    for merged in (
        forward,
        backward,
        parts[0].merge(parts[1]).merge(parts[2].merge(parts[3]).merge(parts[4])).merge(parts[5]),
    ):
        assert merged.count == 1000
        np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-12)
        np.testing.assert_allclose(merged.scatter, whole.scatter, rtol=1e-9, atol=1e-9 * np.trace(whole.scatter))


def test_distances_merge_as_their_statistics():
    x, y = features(0, 200, 10), features(1, 160, 10)
    parts = [Frechet.of(x[:30], y[:100]), Frechet.of(x[30:31], y[100:]), Frechet.of(x[31:], y[:0])]
    merged = parts[2].merge(parts[0]).merge(parts[1])
    np.testing.assert_allclose(merged.value(), Frechet.of(x, y).value(), rtol=1e-6)


def test_one_picture_has_no_spread_and_none_has_no_distance():
    np.testing.assert_allclose(Frechet.of(np.ones((1, 3), np.float32), np.full((1, 3), 3.0, np.float32)).value(), 12)
    assert np.isnan(Frechet.of(np.ones((0, 3), np.float32), np.ones((4, 3), np.float32)).value())


def test_features_on_a_device_in_any_precision():
    x, y = features(0, 60, 8), features(1, 60, 8)
    expected = Frechet.of(x, y).value()
    np.testing.assert_allclose(Frechet.of(jnp.asarray(x), jnp.asarray(y)).value(), expected, rtol=1e-12)
    half = Frechet.of(jnp.asarray(x, jnp.bfloat16), jnp.asarray(y, jnp.bfloat16)).value()
    np.testing.assert_allclose(half, expected, rtol=0.05)
