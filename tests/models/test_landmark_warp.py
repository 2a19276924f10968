"""The face at rest that belongs to a face that moves."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.models.landmark_warp import FADE, at_rest

RNG = np.random.default_rng(0)
REST = jnp.asarray(RNG.normal(size=(7, 3)), jnp.float32)
POINTS = jnp.asarray(RNG.normal(size=(50, 3)), jnp.float32)


def test_it_is_the_sum_of_its_equation():
    moved = REST + jnp.asarray(RNG.normal(size=REST.shape) / 5, jnp.float32)
    near = np.exp(-((np.asarray(POINTS)[:, None] - np.asarray(moved)) ** 2).sum(-1) / (2 * 0.3**2))
    share = near / (near.sum(1, keepdims=True) + FADE)
    expected = POINTS - share @ (moved - REST)
    np.testing.assert_allclose(at_rest(POINTS, moved, REST, 0.3), expected, atol=2e-6)


def test_nothing_moves_where_no_landmark_did_or_none_is_near():
    np.testing.assert_array_equal(at_rest(POINTS, REST, REST, 0.3), POINTS)
    np.testing.assert_array_equal(at_rest(POINTS + 20, REST + 1, REST, 0.3), POINTS + 20)


def test_landmarks_that_move_together_take_along_what_is_between_them():
    shift = jnp.array([[0.3, -0.1, 0.2]])
    np.testing.assert_allclose(at_rest(REST + shift, REST + shift, REST, 2.0), REST, atol=0.03)


def test_slopes_are_finite_in_both_modes():
    given = POINTS, REST + 0.1, REST
    jac = jax.jit(jax.jacrev(lambda *x: at_rest(*x, 0.3).sum(), argnums=(0, 1, 2)))(*given)
    tangent = jax.jit(lambda *x: jax.jvp(lambda *y: at_rest(*y, 0.3).sum(), x, tuple(map(jnp.ones_like, x)))[1])(*given)
    np.testing.assert_allclose(sum(j.sum() for j in jac), tangent, rtol=1e-4)
