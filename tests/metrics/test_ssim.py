import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.data
from skimage.metrics import structural_similarity

from jaxtalk.metrics import ssim
from jaxtalk.metrics.luma import luma

gaussian, uniform = jax.jit(ssim.ssim), jax.jit(ssim.ssim_uniform)

PAPERS = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
SETTINGS = pytest.mark.parametrize(("ours", "settings"), [(gaussian, PAPERS), (uniform, {})])


@pytest.fixture(scope="module")
def pairs():
    """A photograph against itself with noise, darker, black, and inverted; in 8 bits of 255."""
    photograph = skimage.data.astronaut()[30:190, 150:280] / 255
    noisy = photograph + np.random.default_rng(0).normal(size=photograph.shape) * 0.1
    others = np.stack([noisy.clip(0, 1), 0.7 * photograph, 0 * photograph, 1 - photograph])
    return np.broadcast_to(photograph, others.shape).astype(np.float32), others.astype(np.float32)


def theirs(image, reference, **settings):
    return structural_similarity(image.astype(np.float64), reference.astype(np.float64), data_range=1.0, **settings)


@SETTINGS
def test_equals_scikit_image(pairs, ours, settings):
    expected = [theirs(a, b, channel_axis=-1, **settings) for a, b in zip(*pairs, strict=True)]
    np.testing.assert_allclose(ours(*map(jnp.asarray, pairs)), expected, atol=1e-5)


@SETTINGS
def test_equals_scikit_image_where_the_picture_is_flat_and_far_from_its_mean(ours, settings):
    image = np.zeros((40, 60), np.float32)
    image[:, 20:] = 1
    reference = 0.95 * image
    value = ours(jnp.asarray(image)[..., None], jnp.asarray(reference)[..., None])
    np.testing.assert_allclose(value, theirs(image, reference, **settings), atol=1e-5)


def test_of_luma_is_the_papers(pairs):
    image, reference = (np.asarray(x, np.float64) @ [0.299, 0.587, 0.114] for x in pairs)
    expected = [theirs(a, b, **PAPERS) for a, b in zip(image, reference, strict=True)]
    value = gaussian(*(luma(jnp.asarray(x))[..., None] for x in pairs))
    np.testing.assert_allclose(value, expected, atol=1e-5)


@pytest.mark.parametrize("ours", [gaussian, uniform])
def test_is_one_of_equal_images_also_black_and_white_ones_and_does_not_depend_on_the_order(pairs, ours):
    image, reference = map(jnp.asarray, pairs)
    blank = jnp.zeros_like(image).at[:2].set(1)
    np.testing.assert_allclose(ours(image, image), 1, atol=1e-6)
    np.testing.assert_allclose(ours(blank, blank), 1, atol=1e-6)
    np.testing.assert_allclose(ours(blank, blank[::-1]), 1e-4 / (1 + 1e-4), atol=1e-7)
    np.testing.assert_allclose(ours(image, reference), ours(reference, image), atol=1e-6)


def test_leading_axes_are_independent(pairs):
    image, reference = (jnp.asarray(x[:, :40, :50]) for x in pairs)
    plain = gaussian(image, reference)
    folded = gaussian(image.reshape(2, 2, *image.shape[1:]), reference.reshape(2, 2, *image.shape[1:]))
    np.testing.assert_allclose(folded.ravel(), plain, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(gaussian)(image, reference), plain, atol=1e-6)


def test_gradient_is_finite_and_climbs(pairs):
    image, reference = (jnp.asarray(x[0]) for x in pairs)
    gradient = jax.jit(jax.grad(ssim.ssim))(reference, image)
    assert np.isfinite(gradient).all()
    assert float(gaussian(reference + 100 * gradient, image)) > float(gaussian(reference, image)) + 0.01


def test_an_image_smaller_than_the_window_is_refused():
    image = jnp.zeros((10, 30, 3))
    with pytest.raises(ValueError, match="window of 11 pixels does not fit into an image of 10 x 30"):
        ssim.ssim(image, image)
    assert float(uniform(image, image)) == 1
