"""The flow between latents and noise: its inverse, its density, and the mode of the prior that it makes."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.losses import vae
from jaxtalk.models.motion_flow import MotionFlow


@pytest.fixture(scope="module")
def flow():
    """A lively flow of 3 latents of 4 numbers under one condition, both ways."""
    model = MotionFlow(channels=4, width=6, window=3, layers=1, couplings=2)
    keys = jax.random.split(jax.random.key(0), 2)
    z, condition = 2 * jax.random.normal(keys[0], (2, 3, 4)), jax.random.normal(keys[1], (2, 3, 5))
    variables = golden_fixture.variables(jax.eval_shape(model.init, keys[0], z, condition, jnp.ones((2, 3))))

    def run(x, mask, method="__call__"):
        return model.apply(variables, x, condition[: len(x)], mask, method=method)

    return jax.jit(run, static_argnums=2), z


def test_the_reverse_is_exact(flow):
    run, z = flow
    for mask in (jnp.ones((2, 3)), jnp.ones((2, 3)).at[1, 2:].set(0)):
        there = run(z, mask)
        back = run(there, mask, "reverse")
        own = np.asarray(mask, bool)
        np.testing.assert_allclose(back[own], z[own], atol=2e-6)
        assert np.abs(there - z)[own].max() > 0.5


def test_volume_is_kept_and_the_divergence_uses_the_right_density(flow):
    """Against the determinant of the Jacobian, and log q - log p written out."""
    run, z = flow
    one = z[0].ravel()

    def through(x):
        return run(x.reshape(1, 3, 4), jnp.ones((1, 3))).ravel()

    jacobian = jax.jit(jax.jacobian(through))(one)
    assert np.abs(jacobian - np.eye(12)[::-1]).max() > 0.1
    sign, log_determinant = np.linalg.slogdet(np.asarray(jacobian, np.float64))
    assert abs(log_determinant) < 1e-5
    mean, log_deviation = 0.3 * one, 0.2 * jnp.cos(one)
    got = vae.kl_by_sample(one, mean, log_deviation, through(one))
    log_q = jax.scipy.stats.norm.logpdf(one, mean, jnp.exp(log_deviation)).sum()
    log_p = jax.scipy.stats.norm.logpdf(through(one)).sum() + log_determinant
    np.testing.assert_allclose(got, log_q - log_p, rtol=1e-5)


def test_no_noise_gives_the_mode_of_the_prior(flow):
    run, z = flow
    mask = jnp.ones((1, 3))

    def log_density(x):
        return -0.5 * jnp.sum(run(x, mask) ** 2)

    mode = run(jnp.zeros((1, 3, 4)), mask, "reverse")
    value, slope = jax.jit(jax.value_and_grad(log_density))(mode)
    assert abs(value) < 1e-9 and np.abs(slope).max() < 1e-5
    assert np.abs(mode).max() > 0.1  # as the condition has it, not the origin
    assert np.abs(jax.grad(log_density)(z[:1])).max() > 0.1


def test_a_new_coupling_only_turns_the_channels_round():
    model = MotionFlow(channels=4, width=6, window=1, layers=1, couplings=1)
    z, condition = jax.random.normal(jax.random.key(0), (1, 3, 4)), jnp.ones((1, 3, 5))
    y, _ = jax.jit(model.init_with_output)(jax.random.key(1), z, condition, jnp.ones((1, 3)))
    np.testing.assert_array_equal(y, z[..., ::-1])


def test_the_estimate_of_the_divergence_is_right_on_average():
    """With the identity for a flow the divergence is known."""
    mean, log_deviation = jnp.array([0.5, -1.0]), jnp.array([0.2, -0.4])
    noise = jax.random.normal(jax.random.key(0), (40_000, 2))
    like = jnp.broadcast_to(mean, noise.shape), jnp.broadcast_to(log_deviation, noise.shape)
    z = like[0] + jnp.exp(like[1]) * noise
    estimates = vae.kl_by_sample(z, *like, z)
    np.testing.assert_allclose(estimates.mean(), vae.kl(mean, 2 * log_deviation), atol=0.02)
