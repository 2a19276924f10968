"""Losses on the motion of points."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.losses import motion

RNG = np.random.default_rng(0)
TRUTH = jnp.asarray(RNG.normal(size=(2, 7, 6)), jnp.float32)


def test_both_are_nothing_for_the_truth():
    assert not motion.squared_error(TRUTH, TRUTH).any() and not motion.continuity(TRUTH, TRUTH).any()


def test_a_constant_offset_is_no_change_but_in_the_first_frame():
    off = TRUTH + 0.5
    np.testing.assert_allclose(motion.squared_error(off, TRUTH), 0.25, rtol=1e-5)
    found = motion.continuity(off, TRUTH)
    np.testing.assert_allclose(found[:, 0], 0.25, rtol=1e-5)
    np.testing.assert_allclose(found[:, 1:], 0.0, atol=1e-12)


def test_continuity_is_the_error_of_differences():
    guess = jnp.asarray(RNG.normal(size=TRUTH.shape), jnp.float32)
    expected = np.square(np.diff(np.asarray(guess), axis=1) - np.diff(np.asarray(TRUTH), axis=1)).mean(-1)
    np.testing.assert_allclose(motion.continuity(guess, TRUTH)[:, 1:], expected, rtol=1e-5)
    gradient = jax.grad(lambda x: motion.continuity(x, TRUTH).sum())(guess)
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0
