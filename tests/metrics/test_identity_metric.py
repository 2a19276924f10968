"""CSIM against scipy's cosine, and where it has a set value."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial import distance

from jaxtalk.metrics import identity

RNG = np.random.default_rng(0)
FRAMES = jnp.asarray(RNG.normal(0, 3, (2, 5, 16)), jnp.float32)
OTHERS = jnp.asarray(RNG.normal(0, 3, (2, 5, 16)), jnp.float32)


def test_frame_by_frame_it_is_the_cosine():
    got = jax.jit(identity.csim)(FRAMES, OTHERS)
    assert got.shape == (2, 5) and got.dtype == jnp.float32
    want = [
        [1 - distance.cosine(a, b) for a, b in zip(*rows, strict=True)] for rows in zip(FRAMES, OTHERS, strict=True)
    ]
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_to_one_reference_it_is_that_of_each_frame_with_it():
    got = identity.csim_to_one(FRAMES, OTHERS[:, 2])
    for b in range(2):
        for t in range(5):
            np.testing.assert_allclose(got[b, t], identity.csim(FRAMES[b, t], OTHERS[b, 2]), atol=1e-6)
    np.testing.assert_allclose(identity.csim_to_one(FRAMES[:, :1], FRAMES[:, 0]), 1.0, atol=1e-6)  # one frame


def test_length_does_not_matter_direction_does():
    np.testing.assert_allclose(identity.csim(FRAMES, 7 * FRAMES), 1.0, atol=1e-6)
    np.testing.assert_allclose(identity.csim(FRAMES, -0.1 * FRAMES), -1.0, atol=1e-6)


def test_nothing_is_like_nothing_and_has_a_gradient():
    nothing = jnp.zeros((3, 4))
    assert (identity.csim(nothing, nothing) == 0).all()
    gradient = jax.grad(lambda x: identity.csim(x, jnp.ones((3, 4))).sum())(nothing)
    assert np.isfinite(gradient).all()
