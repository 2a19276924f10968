import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.metrics import lip_correlation


def test_correlation_is_pearsons():
    a, b = np.random.default_rng(0).normal(size=(2, 4, 50)).astype(np.float32)
    expected = [np.corrcoef(x, y)[0, 1] for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(lip_correlation.correlation(jnp.asarray(a), jnp.asarray(b)), expected, atol=1e-5)


def test_correlation_ignores_scale_and_offset_and_a_still_mouth_has_none():
    truth = jnp.sin(jnp.arange(60.0))
    assert float(lip_correlation.correlation(3 * truth + 5, truth)) == pytest.approx(1, abs=1e-5)
    assert float(lip_correlation.correlation(jnp.ones(60), truth)) == 0


def test_lip_correlation_counts_clips():
    truth = jnp.stack([jnp.sin(jnp.arange(60.0)), jnp.cos(jnp.arange(60.0))])
    mean = lip_correlation.lip_correlation(truth * jnp.array([[1.0], [-1.0]]), truth)
    assert float(mean.value()) == pytest.approx(0, abs=1e-5) and float(mean.count) == 2


def test_kept_closures_need_one_closed_frame_in_each_phone_that_has_frames():
    opening = jnp.array([1.0, 0.05, 0.5, 0.6, 0.5, 1.0])
    phones = jnp.array([[0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0]], bool)
    kept = lip_correlation.kept_closures(opening, phones, 1.0)
    assert float(kept.sum) == 1 and float(kept.count) == 2
