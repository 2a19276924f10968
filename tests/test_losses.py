import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.losses import gan, vae


def test_kl_agrees_with_the_mean_of_log_ratios():
    rng = np.random.default_rng(0)
    mean, log_variance = np.array([0.5, -1.0]), np.array([0.3, -0.8])
    x = mean + np.exp(log_variance / 2) * rng.standard_normal((400_000, 2))
    log_ratio = 0.5 * (x**2 - (x - mean) ** 2 / np.exp(log_variance) - log_variance)
    ours = vae.kl(jnp.asarray(mean, jnp.float32), jnp.asarray(log_variance, jnp.float32))
    np.testing.assert_allclose(ours, log_ratio.sum(-1).mean(), atol=0.02)


def test_kl_is_zero_at_the_prior_and_positive_elsewhere():
    assert float(vae.kl(jnp.zeros(8), jnp.zeros(8))) == 0.0
    noise = jax.random.normal(jax.random.key(0), (2, 100, 8))
    assert float(vae.kl(noise[0], noise[1]).min()) > 0


def test_squared_error_is_per_example():
    error = vae.squared_error(jnp.ones((3, 4, 2)), jnp.arange(3.0)[:, None, None] * jnp.ones((3, 4, 2)))
    np.testing.assert_allclose(error, [1.0, 0.0, 1.0])


def test_least_squares_losses_vanish_where_each_player_wins():
    real, generated = jnp.ones((2, 5)), jnp.zeros((2, 5))
    np.testing.assert_allclose(gan.discriminator(real, generated), 0.0)
    np.testing.assert_allclose(gan.generator(real), 0.0)
    np.testing.assert_allclose(gan.generator(generated), 0.5)
