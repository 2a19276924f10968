"""WGAN-GP: a critic whose slope is known."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.losses import wasserstein
from jaxtalk.nn.conv import convolve

REAL, MADE = jax.random.normal(jax.random.key(0), (2, 3, 4, 4, 2))
BETWEEN = jnp.array([0.0, 0.3, 1.0])


def test_the_penalty_is_zero_where_the_slope_is_one_and_grows_with_its_square():
    direction = jnp.ones((4, 4, 2)) / np.sqrt(32)
    for steepness, wanted in ((1.0, 0.0), (3.0, 4.0), (0.0, 1.0)):
        found = wasserstein.gradient_penalty(
            lambda x, s=steepness: s * jnp.einsum("bhwc,hwc->b", x, direction)[:, None], REAL, MADE, BETWEEN
        )
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_the_slope_is_taken_between_the_two():
    """Of |x|^2 / 2 it is |x|."""
    found = wasserstein.gradient_penalty(lambda x: (x**2).sum((1, 2, 3))[:, None] / 2, REAL, MADE, BETWEEN)
    share = np.asarray(BETWEEN)[:, None, None, None]
    middle = np.asarray(MADE) + share * np.asarray(REAL - MADE)
    np.testing.assert_allclose(found, (np.linalg.norm(middle.reshape(3, -1), axis=1) - 1) ** 2, rtol=1e-5)


def test_a_convolutional_critic_learns_from_its_penalty_by_finite_differences():
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 2, 1))

    def penalty(kernel):
        score = lambda x: jnp.tanh(convolve(x, kernel, padding=1))  # noqa: E731
        return wasserstein.gradient_penalty(score, REAL, MADE, BETWEEN).sum()

    step = jax.random.normal(jax.random.key(2), kernel.shape)
    with jax.default_matmul_precision("highest"):
        slope = jnp.vdot(jax.grad(penalty)(kernel), step)
        found = (penalty(kernel + 1e-2 * step) - penalty(kernel - 1e-2 * step)) / 2e-2
    np.testing.assert_allclose(slope, found, rtol=0.02)


def test_the_players_want_opposite_things():
    scores = jnp.array([[1.0, 3.0], [0.0, 2.0]])
    np.testing.assert_allclose(wasserstein.critic(scores, scores - 1), -1.0)
    np.testing.assert_allclose(wasserstein.generator(scores), [-2.0, -1.0])
