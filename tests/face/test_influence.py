"""Weights on a mesh: given at anchors, smooth, along the surface."""

import numpy as np
import pytest

from jaxtalk.face import influence


def grid(n: int, size: float = 1.0):
    """A flat square of n x n vertices."""
    x, y = np.meshgrid(np.linspace(0, size, n), np.linspace(0, size, n))
    points = np.stack([x, y, 0 * x], -1).reshape(-1, 3)
    a = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)).ravel()
    triangles = np.concatenate([np.stack([a, a + 1, a + n], -1), np.stack([a + 1, a + n + 1, a + n], -1)])
    return points, triangles


def test_the_laplacian_of_a_linear_function_vanishes_inside_and_areas_add_up():
    points, triangles = grid(9, 2.0)
    stiffness, area = influence.laplacian(points, triangles)
    inside = (points[:, :2] > 0).all(1) & (points[:, :2] < 2).all(1)
    # With right angles two cotangents are 0 but for the least, which pulls by a few hundredths.
    assert np.abs(stiffness @ (3 * points[:, 0] - points[:, 1]))[inside].max() < 1e-9
    assert np.isclose(area.sum(), 4.0)
    dense = stiffness.toarray()
    np.testing.assert_allclose(dense, dense.T)
    np.testing.assert_allclose(dense.sum(0), 0, atol=1e-12)
    assert np.linalg.eigvalsh(dense).min() > -1e-9


@pytest.mark.parametrize("reach", [0.08, 0.12])
def test_a_single_anchor_is_felt_as_far_as_the_reach_says(reach):
    points, triangles = grid(61)
    middle = 30 * 61 + 30
    weight = influence.weights(points, triangles, np.array([middle]), np.ones((1, 1)), reach)[:, 0]
    away = np.linalg.norm(points - points[middle], axis=-1)
    assert weight[middle] == pytest.approx(1) and weight.max() < 1 + 1e-9
    # The Matern covariance of smoothness 1: r K1(r) with r = distance / reach.
    from scipy.special import kv

    ring = (away > 0) & (away < 3 * reach)
    expected = (away / reach)[ring] * kv(1, (away / reach)[ring])
    assert np.abs(weight[ring] - expected).max() < 0.05
    assert np.abs(weight[away > 8 * reach]).max(initial=0) < 0.01


def test_values_are_taken_at_anchors_and_superpose():
    points, triangles = grid(15)
    rng = np.random.default_rng(0)
    anchors = rng.choice(len(points), 6, replace=False)
    values = rng.normal(size=(6, 3))
    found = influence.weights(points, triangles, anchors, values, 0.2)
    np.testing.assert_allclose(found[anchors], values, atol=1e-8)
    each = influence.weights(points, triangles, anchors, np.eye(6), 0.2)
    np.testing.assert_allclose(each @ values, found, atol=1e-8)


def test_what_touches_but_is_not_joined_stays():
    points, triangles = grid(11)
    both = np.concatenate([points, points + [0, 0, 1e-6]]), np.concatenate([triangles, triangles + len(points)])
    weight = influence.weights(*both, np.array([60]), np.ones((1, 1)), 0.3)[:, 0]
    assert weight[60] == pytest.approx(1) and not weight[len(points) :].any()
