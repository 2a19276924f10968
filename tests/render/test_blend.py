import jax
import jax.numpy as jnp
import numpy as np
from scipy.ndimage import convolve1d, gaussian_filter

from jaxtalk.render.blend import blur, smoothstep, wide_blur
from jaxtalk.render.settle import settle


def test_blur_is_the_binomial_filter():
    image = np.random.default_rng(0).random((11, 14, 2)).astype(np.float32)
    expected = image
    for axis in (0, 1, 0, 1):
        expected = convolve1d(expected, [0.25, 0.5, 0.25], axis=axis, mode="nearest")
    np.testing.assert_allclose(blur(jnp.asarray(image), 2), expected, atol=1e-6)


def test_wide_blur_is_close_to_a_gaussian_and_keeps_constants():
    image = np.random.default_rng(1).random((96, 120, 1)).astype(np.float32)
    expected = gaussian_filter(image[..., 0], 8.0, mode="nearest")
    drawn = np.asarray(wide_blur(jnp.asarray(image), jnp.float32(8.0)))[..., 0]
    assert np.abs(drawn - expected)[24:-24, 24:-24].max() < 0.02
    np.testing.assert_allclose(wide_blur(jnp.full((40, 40, 1), 0.7), jnp.float32(5.0)), 0.7, rtol=1e-5)


def test_smoothstep_runs_from_0_to_1():
    values = smoothstep(1.0, 3.0, jnp.array([0.0, 1.0, 2.0, 3.0, 9.0]))
    np.testing.assert_allclose(values, [0, 0, 0.5, 1, 1])


def test_settle_changes_nothing():
    tree = {"a": jnp.arange(6.0).reshape(2, 3), "b": jnp.array([True, False])}
    settled = jax.jit(settle)(tree)
    np.testing.assert_array_equal(settled["a"], tree["a"])
    np.testing.assert_array_equal(settled["b"], tree["b"])
    np.testing.assert_allclose(jax.grad(lambda x: (settle(x) ** 2).sum())(tree["a"]), 2 * tree["a"])
    np.testing.assert_array_equal(jax.vmap(settle)(tree["a"]), tree["a"])
