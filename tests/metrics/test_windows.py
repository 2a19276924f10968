import jax.numpy as jnp
import numpy as np
import scipy.ndimage

from jaxtalk.metrics import windows

IMAGE = np.random.default_rng(0).random((2, 20, 13, 3)).astype(np.float32)


def test_gaussian_is_that_of_wang():
    window = windows.gaussian(11, 1.5)
    np.testing.assert_allclose([window.sum(), window[5] / window[4], window[0] / window[10]], [1, np.exp(1 / 4.5), 1])


def test_means_within_and_everywhere_are_scipys():
    window = windows.gaussian(7, 7 / 6)
    expected = IMAGE.astype(np.float64)
    for axis in (1, 2):
        expected = scipy.ndimage.correlate1d(expected, window, axis, mode="constant")
    inside = np.ones((20, 13))
    for axis in (0, 1):
        inside = scipy.ndimage.correlate1d(inside, window, axis, mode="constant")
    np.testing.assert_allclose(windows.within(jnp.asarray(IMAGE), window), expected[:, 3:-3, 3:-3], atol=1e-6)
    np.testing.assert_allclose(windows.everywhere(jnp.asarray(IMAGE), window), expected / inside[..., None], atol=1e-6)


def test_a_constant_stays_also_where_the_window_is_larger_than_the_image():
    image = jnp.full((5, 30, 1), 0.25)
    np.testing.assert_allclose(windows.everywhere(image, windows.uniform(9)), 0.25, atol=1e-7)
