import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.losses import lips


def test_unknown_coefficients_cost_nothing_and_move_nothing():
    truth, known = jnp.zeros((2, 3)), jnp.array([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    predicted = jnp.array([[2.0, 9.0, 0.0], [5.0, 5.0, 5.0]])
    loss = lips.coefficients(predicted, truth, jnp.array([2.0, 1.0, 1.0]), known)
    np.testing.assert_allclose(loss, [0.5, 0.0])
    slope = jax.grad(lambda p: lips.coefficients(p, truth, jnp.ones(3), known).sum())(predicted)
    assert float(slope[0, 1]) == 0 and np.all(np.asarray(slope[1]) == 0) and float(slope[0, 0]) != 0


def test_lip_points_is_the_mean_squared_distance_of_the_points():
    rng = np.random.default_rng(0)
    points, a, b = rng.normal(size=(5, 6)), rng.normal(size=(4, 5)), rng.normal(size=(4, 5))
    distance = np.linalg.norm(((a - b) @ points).reshape(4, 2, 3), axis=-1)
    loss = lips.lip_points(*(jnp.asarray(x, jnp.float32) for x in (a, b, points)))
    assert np.asarray(loss) == pytest.approx((distance**2).mean(-1), rel=1e-4)
