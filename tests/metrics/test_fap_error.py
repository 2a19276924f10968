"""The error of FAPs and the jitter of a movement."""

import jax.numpy as jnp
import numpy as np

from jaxtalk.metrics import fap_error, jitter


def test_squared_error_is_the_mean_over_frames_and_parameters():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 7, 5)).astype(np.float32)
    error = fap_error.squared_error(jnp.asarray(a), jnp.asarray(b))
    np.testing.assert_allclose(error.value(), np.mean((a - b) ** 2), rtol=1e-6)
    halves = [fap_error.squared_error(jnp.asarray(a[s]), jnp.asarray(b[s])) for s in (slice(0, 2), slice(2, 7))]
    np.testing.assert_allclose(halves[0].merge(halves[1]).value(), error.value(), rtol=1e-6)
    np.testing.assert_allclose(fap_error.spread(jnp.asarray(a)).value(), a.var(0).mean(), rtol=1e-5)


def test_jitter_is_acceleration():
    t = jnp.arange(50) / 25
    np.testing.assert_allclose(jitter.jitter(3 * t + 1, 25).value(), 0, atol=1e-2)
    np.testing.assert_allclose(jitter.jitter(-2 * t**2, 25).value(), 4, atol=1e-2)
    np.testing.assert_allclose(jitter.jitter(jnp.tile(jnp.array([0.0, 1.0]), 20), 25).value(), 2 * 625)
