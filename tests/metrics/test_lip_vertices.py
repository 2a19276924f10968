"""LVE, MVE and FDD against plain numpy, and what each does not see."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.metrics import lip_vertices

RNG = np.random.default_rng(0)
TEMPLATE = jnp.asarray(RNG.normal(size=(2, 30, 3)), jnp.float32)
TRUTH = TEMPLATE[:, None] + jnp.asarray(0.1 * RNG.normal(size=(2, 9, 30, 3)), jnp.float32)
PREDICTED = TRUTH + jnp.asarray(0.05 * RNG.normal(size=TRUTH.shape), jnp.float32)
LIPS, UPPER = jnp.array([3, 17, 4, 11]), jnp.array([20, 21, 25])


def test_lip_error_is_the_largest_distance_of_the_frame():
    distance = np.linalg.norm(np.asarray(PREDICTED - TRUTH), axis=-1)[..., np.asarray(LIPS)].max(-1)
    ours = lip_vertices.lip_vertex_error(PREDICTED, TRUTH, LIPS)
    assert ours.shape == (2, 9)
    np.testing.assert_allclose(ours, distance, rtol=1e-5)
    np.testing.assert_allclose(
        lip_vertices.lip_vertex_error(PREDICTED, TRUTH, LIPS, squared=True), distance**2, rtol=1e-5
    )


def test_lip_error_of_one_vertex_and_of_none():
    moved = TRUTH.at[:, :, 17].add(jnp.array([1.0, 2.0, 2.0])).at[:, :, 18].add(100.0)  # 18 is no lip
    np.testing.assert_allclose(lip_vertices.lip_vertex_error(moved, TRUTH, LIPS), np.full((2, 9), 3.0), rtol=1e-5)
    assert not np.any(lip_vertices.lip_vertex_error(TRUTH, TRUTH, LIPS))


def test_centred_lip_error_ignores_a_mouth_that_is_elsewhere():
    moved = TRUTH + jnp.asarray(RNG.normal(size=(2, 9, 1, 3)), jnp.float32)
    np.testing.assert_allclose(lip_vertices.lip_vertex_error(moved, TRUTH, LIPS, centred=True), 0, atol=1e-6)
    assert np.all(lip_vertices.lip_vertex_error(moved, TRUTH, LIPS) > 0.1)


def test_vertex_error_is_the_mean_distance():
    expected = np.linalg.norm(np.asarray(PREDICTED - TRUTH), axis=-1).mean(-1)
    np.testing.assert_allclose(lip_vertices.vertex_error(PREDICTED, TRUTH), expected, rtol=1e-5)


@pytest.mark.parametrize("squared", [False, True])
def test_deviation_is_the_difference_of_spreads_over_time(squared):
    def dynamics(vertices):
        length = np.linalg.norm(np.asarray(vertices) - np.asarray(TEMPLATE)[:, None], axis=-1)[..., np.asarray(UPPER)]
        return (length**2 if squared else length).std(1).mean(-1)

    ours = lip_vertices.dynamics_deviation(PREDICTED, TRUTH, TEMPLATE, UPPER, squared=squared)
    np.testing.assert_allclose(ours, dynamics(TRUTH) - dynamics(PREDICTED), rtol=1e-3, atol=1e-6)
    back = lip_vertices.dynamics_deviation(TRUTH, PREDICTED, TEMPLATE, UPPER, squared=squared)
    np.testing.assert_allclose(back, -ours, rtol=1e-4)


def test_deviation_by_hand():
    """One vertex that goes out to 0, 2, 0, 2 from the template: its length has the spread 1, its square 2."""
    template = jnp.zeros((1, 3))
    truth = jnp.array([0.0, 2.0, 0.0, 2.0])[:, None, None] * jnp.array([[[0.0, 0.6, 0.8]]])
    still, one = jnp.zeros((4, 1, 3)), jnp.array([0])
    assert float(lip_vertices.dynamics_deviation(still, truth, template, one)) == pytest.approx(1)
    assert float(lip_vertices.dynamics_deviation(still, truth, template, one, squared=True)) == pytest.approx(2)
    assert float(lip_vertices.dynamics_deviation(2 * truth, truth, template, one)) == pytest.approx(-1)
    to_and_fro = truth.at[1].multiply(-1)  # the length does not see which way
    assert float(lip_vertices.dynamics_deviation(to_and_fro, truth, template, one)) == pytest.approx(0)


def test_deviation_does_not_see_padding():
    whole = lip_vertices.dynamics_deviation(PREDICTED[:, :6], TRUTH[:, :6], TEMPLATE, UPPER)
    padded = PREDICTED.at[:, 6:].set(1e3)
    known = jnp.broadcast_to(jnp.arange(9) < 6, (2, 9))
    np.testing.assert_allclose(
        lip_vertices.dynamics_deviation(padded, TRUTH, TEMPLATE, UPPER, known=known), whole, rtol=1e-4
    )
    none = lip_vertices.dynamics_deviation(PREDICTED, TRUTH, TEMPLATE, UPPER, known=jnp.zeros((2, 9), bool))
    assert not np.any(none)
    one = lip_vertices.dynamics_deviation(PREDICTED[:, :1], TRUTH[:, :1], TEMPLATE, UPPER)
    assert not np.any(one)
