"""Hinge losses, cross-entropies and matched features. The losses of least squares are tested with PoseVAE's."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.losses import gan


def test_the_hinge_is_content_beyond_one():
    real, generated = jnp.array([[2.0, 1.0], [0.0, 1.0]]), jnp.array([[-1.0, -3.0], [1.0, -1.0]])
    np.testing.assert_allclose(gan.hinge_discriminator(real, generated), [0, 0.5 + 1.0])
    gradient = jax.grad(lambda r: gan.hinge_discriminator(r, generated).sum())(real + 0.5)
    np.testing.assert_allclose(gradient, [[0, 0], [-0.5, 0]])


def test_the_generator_has_a_gradient_everywhere():
    scores = jnp.linspace(-5.0, 5.0, 8).reshape(2, 4)
    np.testing.assert_allclose(jax.grad(lambda s: gan.hinge_generator(s).sum())(scores), -0.25)


def test_cross_entropies_are_those_of_the_probabilities():
    real, generated = jnp.array([[2.0, -1.0], [0.0, 300.0]]), jnp.array([[-2.0, 1.0], [0.0, -300.0]])

    def probability(x):
        return 1 / (1 + np.exp(-np.asarray(x, np.float64)))

    wanted = -np.log(probability(real)).mean(1) - np.log(1 - probability(generated)).mean(1)
    np.testing.assert_allclose(gan.cross_entropy_discriminator(real, generated), wanted, rtol=1e-6)
    np.testing.assert_allclose(gan.cross_entropy_generator(real), -np.log(probability(real)).mean(1), rtol=1e-6)
    slope = jax.grad(lambda s: gan.cross_entropy_generator(s).sum())(jnp.array([[-300.0, 300.0]]))
    np.testing.assert_allclose(slope, [[-0.5, 0]], atol=1e-6)


def test_matched_features_are_zero_only_for_equal_maps_and_move_the_generated_alone():
    maps = [jax.random.normal(jax.random.key(k), (2, 4 >> k, 4 >> k, 3)) for k in range(2)]
    np.testing.assert_allclose(gan.feature_matching(maps, maps), 0)
    others = [maps[0] + 0.5, maps[1]]
    np.testing.assert_allclose(gan.feature_matching(maps, others, 10.0), [5.0, 5.0], rtol=1e-6)
    real = jax.grad(lambda m: gan.feature_matching(m, others).sum())(maps)
    assert all(np.abs(x).max() == 0 for x in real)
