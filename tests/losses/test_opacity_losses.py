"""Losses of how opaque something is."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.losses import opacity


def test_surprise_is_least_at_the_target_and_finite_at_the_ends():
    at = jnp.linspace(0, 1, 101)
    for target in (0.0, 0.3, 1.0):
        found = opacity.surprise(at, jnp.full(101, target))
        assert np.isfinite(found).all() and abs(float(at[jnp.argmin(found)]) - target) < 0.011
    slope = jax.vmap(jax.grad(lambda x: opacity.surprise(x, jnp.float32(1.0))))(at)
    assert np.isfinite(slope).all()


def test_entropy_is_largest_half_way_and_pushes_to_the_nearer_end():
    at = jnp.linspace(0.01, 0.99, 99)
    found = opacity.entropy(at)
    assert int(jnp.argmax(found)) == 49 and abs(float(found[49]) - np.log(2)) < 1e-6
    slope = jax.vmap(jax.grad(opacity.entropy))(at)
    np.testing.assert_allclose(slope, np.log((1 - at) / at), atol=1e-5)
