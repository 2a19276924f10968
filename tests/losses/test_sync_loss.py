import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from jaxtalk.losses import sync


def test_is_the_binary_cross_entropy_of_each_example():
    draw = np.random.default_rng(0)
    p, y = draw.uniform(0.01, 0.99, (4, 5)), draw.integers(0, 2, (4, 5)).astype(float)
    expected = -scipy.special.xlogy(y, p) - scipy.special.xlog1py(1 - y, -p)
    np.testing.assert_allclose(sync.cross_entropy(*(jnp.asarray(v, jnp.float32) for v in (p, y))), expected, rtol=1e-4)
    assert float(sync.cross_entropy(jnp.array(0.5), jnp.array(1.0))) == pytest.approx(np.log(2), rel=1e-5)


def test_value_and_slope_are_finite_at_the_ends_and_beyond():
    cosine = jnp.array([-0.3, 0.0, 1.0, 1.0000001, 0.0, 1.0])
    together = jnp.array([1.0, 1.0, 0.0, 0.0, 0.0, 1.0])
    loss, slope = jax.value_and_grad(lambda c: sync.cross_entropy(c, together).sum())(cosine)
    values = sync.cross_entropy(cosine, together)
    assert np.isfinite(loss) and np.isfinite(slope).all()
    np.testing.assert_allclose(values[:4], -np.log(1e-7), rtol=1e-2)
    np.testing.assert_allclose(values[4:], 0.0, atol=1e-6)


def test_pulls_pairs_together_and_others_apart():
    slope = jax.grad(lambda c: sync.cross_entropy(c, jnp.array([1.0, 0.0])).sum())(jnp.array([0.3, 0.3]))
    np.testing.assert_allclose(slope, [-1 / 0.3, 1 / 0.7], rtol=1e-4)
