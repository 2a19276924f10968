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


def test_discordance_is_one_minus_lins_concordance_of_what_has_weight():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=50)
    predicted = 0.4 * truth + 0.2 * rng.normal(size=50) + 0.3
    covariance = np.cov(predicted, truth, bias=True)
    lin = 2 * covariance[0, 1] / (covariance[0, 0] + covariance[1, 1] + (predicted.mean() - truth.mean()) ** 2)
    x, y = (jnp.asarray(np.concatenate([a, [99.0, -99.0]]), jnp.float32) for a in (predicted, truth))
    weight = jnp.asarray(np.concatenate([np.full(50, 0.7), np.zeros(2)]), jnp.float32)
    assert float(lips.discordance(x, y, weight)) == pytest.approx(1 - lin, abs=1e-5)
    assert float(lips.discordance(y, y, weight)) == pytest.approx(0, abs=1e-6)
    slope = jax.grad(lips.discordance)(jnp.zeros(3), jnp.zeros(3), jnp.zeros(3))
    assert np.isfinite(np.asarray(slope)).all()


def test_least_discordant_copy_of_a_noisy_truth_keeps_its_spread():
    """Squared error would shrink it by the square of the correlation."""
    noise, truth = jax.random.normal(jax.random.key(0), (2, 4000))
    seen, ones = (truth + noise) / 2**0.5, jnp.ones(4000)
    gains = jnp.linspace(0.2, 1.6, 29)
    best = gains[jnp.argmin(jax.vmap(lambda g: lips.discordance(g * seen, truth, ones))(gains))]
    assert abs(float(best) - 1) < 0.06
