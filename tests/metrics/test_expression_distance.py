import jax.numpy as jnp
import numpy as np

from jaxtalk.metrics.expression_distance import expression_distance, pose_distance


def test_are_mean_absolute_differences_frame_by_frame():
    a, b = np.random.default_rng(0).normal(size=(2, 4, 7, 64)).astype(np.float32)
    np.testing.assert_allclose(expression_distance(jnp.asarray(a), jnp.asarray(b)), np.abs(a - b).mean(-1), rtol=1e-5)
    np.testing.assert_allclose(pose_distance(jnp.array([0.1, -0.2, 0.0]), jnp.array([0.1, 0.1, 0.3])), 0.2, rtol=1e-5)


def test_are_symmetric_and_zero_of_the_same():
    a, b = jnp.array([1.0, -1.0]), jnp.array([0.0, 3.0])
    assert float(expression_distance(a, b)) == float(expression_distance(b, a)) == 2.5
    assert float(expression_distance(a, a)) == float(pose_distance(b, b)) == 0
