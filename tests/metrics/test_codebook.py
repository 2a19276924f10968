import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import entropy

from jaxtalk.metrics.codebook import CodebookUse


def test_evenly_used_codes_have_the_perplexity_of_their_number():
    even = CodebookUse.of(jnp.arange(32).reshape(4, 8), 32)
    assert float(even.perplexity()) == pytest.approx(32, rel=1e-5) and float(even.used()) == 1
    half = CodebookUse.of(jnp.arange(16), 32)
    assert float(half.perplexity()) == pytest.approx(16, rel=1e-5) and float(half.used()) == 0.5
    one = CodebookUse.of(jnp.full((5, 6), 7), 32)
    assert float(one.perplexity()) == 1 and float(one.used()) == pytest.approx(1 / 32)


def test_perplexity_is_scipys_and_merged_counts_are_those_of_all():
    codes = np.random.default_rng(0).geometric(0.1, 5000) % 50
    halves = [CodebookUse.of(jnp.asarray(part), 50) for part in (codes[:777], codes[777:])]
    merged = halves[0].merge(halves[1])
    np.testing.assert_array_equal(merged.counts, np.bincount(codes, minlength=50))
    assert float(merged.perplexity()) == pytest.approx(np.exp(entropy(np.bincount(codes, minlength=50))), rel=1e-5)


def test_masked_codes_and_what_is_no_code_do_not_count():
    codes = jnp.array([0, 1, 1, -1, 4, 3])
    mask = jnp.array([True, True, False, True, True, True])
    np.testing.assert_array_equal(CodebookUse.of(codes, 4, mask).counts, [1, 1, 0, 1])
    np.testing.assert_array_equal(CodebookUse.of(codes, 4).counts, [1, 2, 0, 1])


def test_nothing_coded_is_0():
    nothing = CodebookUse.of(jnp.zeros((0,), jnp.int32), 8)
    assert float(nothing.used()) == 0 and float(nothing.perplexity()) == 0
