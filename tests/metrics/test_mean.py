import jax.numpy as jnp
import numpy as np

from jaxtalk.metrics.mean import Mean, values


def test_merged_means_equal_the_mean_of_all():
    x = np.random.default_rng(0).standard_normal(100).astype(np.float32)
    merged = Mean.of(jnp.asarray(x[:30])).merge(Mean.of(jnp.asarray(x[30:])))
    np.testing.assert_allclose(values({"x": merged})["x"], x.mean(), atol=1e-6)


def test_masked_entries_do_not_count():
    mask = jnp.array([1.0, 0.0, 1.0])
    assert float(Mean.of(jnp.array([1.0, 100.0, 3.0]), mask).value()) == 2.0
