"""Interpolation between patterns."""

import jax.numpy as jnp
import numpy as np

from jaxtalk.metrics import jitter
from jaxtalk.models import fap_smoothing


def test_steady_movement_stays():
    line = jnp.linspace(0, 5, 30)[:, None] * jnp.array([[1.0, -2.0]])
    np.testing.assert_allclose(fap_smoothing.smooth(line, 2)[2:-2], line[2:-2], atol=1e-5)
    np.testing.assert_array_equal(fap_smoothing.smooth(line, 0), line)


def test_a_jump_becomes_a_path():
    jump = jnp.zeros((12, 1)).at[6:].set(9.0)
    np.testing.assert_allclose(fap_smoothing.smooth(jump, 2)[3:9, 0], [0, 1, 3, 6, 8, 9], atol=1e-5)
    np.testing.assert_allclose(fap_smoothing.smooth(jump, 1)[4:8, 0], [0, 2.25, 6.75, 9], atol=1e-5)


def test_jitter_falls():
    noise = jnp.asarray(np.random.default_rng(0).standard_normal((200, 2)), jnp.float32)
    tracks = [noise, *(fap_smoothing.smooth(noise, reach) for reach in (1, 2))]
    sizes = [float(jitter.jitter(track.T, 25).value()) for track in tracks]
    assert sizes[1] < 0.5 * sizes[0] and sizes[2] < 0.5 * sizes[1]
