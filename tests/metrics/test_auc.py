"""AUC against the definition, pair by pair."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.metrics.auc import auc


def by_pairs(positive, negative):
    return np.mean([(p > n) + 0.5 * (p == n) for p in positive for n in negative])


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_share_of_ordered_pairs_with_ties_half(seed):
    rng = np.random.default_rng(seed)
    positive, negative = rng.integers(0, 12, 31) + 2.0, rng.integers(0, 12, 53) + 0.0
    assert len(set(positive) & set(negative)) > 3
    got = jax.jit(auc)(jnp.asarray(positive, jnp.float32), jnp.asarray(negative, jnp.float32))
    assert got.dtype == jnp.float32
    assert float(got) == pytest.approx(by_pairs(positive, negative), abs=1e-6)


def test_known_values():
    low, high = jnp.array([0.0, 1.0]), jnp.array([2.0, 3.0, 4.0])
    assert auc(high, low) == 1 and auc(low, high) == 0
    assert auc(low, low) == 0.5 and auc(jnp.zeros(5), jnp.zeros(3)) == 0.5
    assert auc(jnp.zeros(0), high) == 0.5 and auc(high, jnp.zeros(0)) == 0.5


def test_depends_on_the_order_only():
    rng = np.random.default_rng(9)
    positive, negative = (jnp.asarray(rng.normal(m, 1, n), jnp.float32) for m, n in ((0.5, 300), (0, 200)))
    assert auc(jnp.exp(positive), jnp.exp(negative)) == pytest.approx(float(auc(positive, negative)), abs=1e-6)
    assert auc(-negative, -positive) == pytest.approx(float(auc(positive, negative)), abs=1e-6)
    assert auc(negative, positive) == pytest.approx(1 - float(auc(positive, negative)), abs=1e-6)
