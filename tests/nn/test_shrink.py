"""The Gaussian that makes pictures smaller."""

import golden_fixture
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import correlate

from jaxtalk.nn.depth import deepen, flatten_depth
from jaxtalk.nn.shrink import shrink


@pytest.mark.parametrize("factor", [2, 4])
def test_is_the_strided_convolution_with_the_published_kernel(factor):
    image = np.random.default_rng(0).random((1, 20, 16, 3), np.float32)
    deviation = (factor - 1) / 2
    window = 2 * round(4 * deviation) + 1
    line = np.exp(-((np.arange(window) - window // 2) ** 2) / (2 * deviation**2))
    kernel = np.outer(line, line) / np.outer(line, line).sum()
    blurred = correlate(image[0].astype(np.float64), kernel[..., None], mode="constant")
    np.testing.assert_allclose(shrink(jnp.asarray(image), factor)[0], blurred[::factor, ::factor], atol=1e-6)


def test_kernel_is_the_one_of_the_published_networks():
    """A lone pixel shows it."""
    _, arrays = golden_fixture.load("sadtalker_kpdetector")
    kernel = arrays["keep/down.weight"][0, 0]
    image = jnp.zeros((1, 32, 32, 1)).at[0, 16, 16].set(1.0)
    np.testing.assert_allclose(shrink(image, 4)[0, 3:6, 3:6, 0], kernel[2::4, 2::4], atol=1e-8)


def test_factor_one_changes_nothing():
    image = jnp.ones((1, 3, 4, 3), jnp.bfloat16)
    assert shrink(image, 1).dtype == jnp.float32
    np.testing.assert_array_equal(shrink(image, 1), jnp.ones((1, 3, 4, 3)))


def test_depth_is_the_faster_axis_of_channels():
    x = jnp.arange(6.0).reshape(1, 1, 1, 6)
    volume = deepen(x, 3)
    np.testing.assert_array_equal(volume[0, :, 0, 0], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(flatten_depth(volume), x)
