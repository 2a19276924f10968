import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import skimage.data

from jaxtalk.metrics import ms_ssim

compiled = jax.jit(ms_ssim.ms_ssim)


def by_the_equations(image, reference):
    """MS-SSIM of one channel in float64 with scipy, written from the paper."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))

    def mean(x):
        return scipy.ndimage.correlate(x, window / window.sum())[5:-5, 5:-5]

    def next_scale(x):
        x = np.pad(x, [(0, size % 2) for size in x.shape], "symmetric")
        return (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4

    value = 1.0
    for scale, exponent in enumerate([0.0448, 0.2856, 0.3001, 0.2363, 0.1333]):
        m, n = mean(image), mean(reference)
        cs = (2 * (mean(image * reference) - m * n) + 9e-4) / (mean(image**2) - m**2 + mean(reference**2) - n**2 + 9e-4)
        term = (cs * (2 * m * n + 1e-4) / (m**2 + n**2 + 1e-4)).mean() if scale == 4 else cs.mean()
        value *= max(term, 0.0) ** exponent
        image, reference = next_scale(image), next_scale(reference)
    return value


@pytest.fixture(scope="module")
def pairs():
    photograph = skimage.data.astronaut()[:177, 130:300] / 255  # odd at two scales
    noisy = photograph + np.random.default_rng(0).normal(size=photograph.shape) * 0.2
    blurred = scipy.ndimage.gaussian_filter(photograph, (3, 3, 0))
    others = np.stack([noisy.clip(0, 1), blurred, 1 - photograph])
    return np.broadcast_to(photograph, others.shape).astype(np.float32), others.astype(np.float32)


def test_follows_the_equations(pairs):
    expected = [
        np.mean([by_the_equations(*(x[..., c].astype(np.float64) for x in pair)) for c in range(3)])
        for pair in zip(*pairs, strict=True)
    ]
    np.testing.assert_allclose(compiled(*map(jnp.asarray, pairs)), expected, atol=1e-5)
    assert expected[2] == 0  # inverted: a negative term counts as 0


def test_is_one_of_equal_images_and_small_of_black_against_white(pairs):
    image = jnp.asarray(pairs[0]).at[1].set(0).at[2].set(1)
    np.testing.assert_allclose(compiled(image, image), 1, atol=1e-6)
    blank = [image[jnp.array([1, 1, 2])], image[jnp.array([1, 2, 1])]]
    np.testing.assert_allclose(compiled(*blank), [1, *[(1e-4 / (1 + 1e-4)) ** 0.1333] * 2], atol=1e-5)


@pytest.mark.parametrize("size", [(160, 300), (300, 160)])
def test_needs_161_pixels(size):
    with pytest.raises(ValueError, match=f"needs 161 pixels a side, the images are {size[0]} x {size[1]}"):
        ms_ssim.ms_ssim(*jnp.zeros((2, *size, 1)))
    assert jax.eval_shape(ms_ssim.ms_ssim, *jnp.zeros((2, 161, 161, 1))).shape == ()


def test_halving_doubles_an_odd_last_row():
    image = jnp.arange(6.0).reshape(3, 2, 1)
    np.testing.assert_allclose(ms_ssim.halve(image)[:, 0, 0], [1.5, 4.5])
