import golden_fixture
import grey_photographs
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import skimage.data

from jaxtalk.io import weights
from jaxtalk.metrics import niqe

OURS = niqe.Pristine(**weights.load(weights.shipped("niqe_ours")).variables)
judge, measure = jax.jit(lambda image: niqe.niqe(image, OURS)), jax.jit(niqe.patches)


def test_equals_an_independent_implementation_on_photographs_blurred_and_noisy_ones():
    manifest, arrays = golden_fixture.load("niqe")
    pictures = {name: jnp.asarray(grey_photographs.colours(grey)) for name, grey in grey_photographs.cases().items()}
    values = {}
    for size in {picture.shape for picture in pictures.values()}:
        names = [name for name, picture in pictures.items() if picture.shape == size]
        values |= dict(zip(names, judge(jnp.stack([pictures[name] for name in names])), strict=True))
    golden_fixture.compare(manifest, arrays, "niqe", [values[name] for name in manifest["cases"]])
    golden_fixture.compare(manifest, arrays, "features", measure(pictures["cat"]).features)
    for case, expected in zip(manifest["cases"], arrays["out/niqe"], strict=True):
        assert "astronaut" in case or float(values[case]) == pytest.approx(expected, abs=2e-3), case


@pytest.fixture(scope="module")
def distorted():
    """A photograph that the model was not fitted to: itself, with two blurs, with two amounts of noise; flat ones."""
    photograph = skimage.data.cat()[:288, :288] / 255
    blurred = [scipy.ndimage.gaussian_filter(photograph, (sigma, sigma, 0)) for sigma in (1.0, 2.5)]
    noise = np.random.default_rng(0).normal(size=photograph.shape)
    noisy = [(photograph + size * noise).clip(0, 1) for size in (0.04, 0.12)]
    flat = [np.full_like(photograph, level) for level in (0.0, 1.0)]
    return jnp.asarray(np.stack([photograph, *blurred, *noisy, *flat]), jnp.float32)


def test_rises_with_blur_and_noise_and_is_finite_and_highest_where_all_is_flat(distorted):
    itself, soft, softer, noisy, noisier, black, white = judge(distorted)
    assert itself + 1 < soft and soft + 1 < softer < black
    assert itself + 1 < noisy and noisy + 1 < noisier < black
    assert float(black) == float(white) == pytest.approx(29.9, abs=0.1)


def test_flat_patches_are_left_out_and_one_patch_has_a_value(distorted):
    beside = (
        distorted[0].at[:, 176:].set(0.5)
    )  # 16 pixels before the third column, which windows and halving reach over
    assert measure(beside).fitted.reshape(3, 3).all(0).tolist() == [True, True, False]
    assert float(judge(beside)) == pytest.approx(float(judge(beside[:, :192])), abs=1e-3)
    assert np.isfinite(judge(distorted[0, :100, :191]))
    with pytest.raises(ValueError, match="NIQE needs 96 pixels a side, the images are 95 x 288"):
        niqe.niqe(distorted[0, :95], OURS)


@pytest.mark.parametrize("shape", [0.7, 2.0, 4.0])
def test_fit_finds_the_shape_and_widths_of_an_asymmetric_generalised_gaussian(shape):
    left, right = 0.5, 1.5
    rng = np.random.default_rng(0)
    size = scipy.stats.gennorm.rvs(shape, size=(1000, 1000), random_state=rng)
    values = np.where(rng.random(size.shape) < left / (left + right), -left, right) * np.abs(size)
    found = niqe._fit(jnp.asarray(values, jnp.float32))
    gamma = scipy.special.gamma
    expected = [shape, left, right, (right - left) * gamma(2 / shape) / gamma(1 / shape)]
    np.testing.assert_allclose(found[:4], expected, rtol=0.03)


def test_half_the_size_is_the_cubic_with_antialiasing():
    """Of a wave it keeps what the cubic kernel's transform says; a ramp and a constant stay."""
    ramp = jnp.broadcast_to(jnp.arange(64.0)[:, None], (1, 64, 64))
    half = niqe._half(ramp)[0]
    np.testing.assert_allclose(
        half[2:-2], jnp.broadcast_to(0.5 + 2 * jnp.arange(2, 30.0)[:, None], (28, 32)), atol=1e-5
    )
    place = 2 * np.pi * 0.125 * jnp.arange(64.0)
    wave = niqe._half(jnp.broadcast_to(jnp.cos(place), (1, 64, 64)))[0, 5, 4:-4]
    gain = 2 * np.dot(np.array([111, 29, -9, -3]) / 256, np.cos(2 * np.pi * 0.125 * np.array([0.5, 1.5, 2.5, 3.5])))
    np.testing.assert_allclose(wave, gain * jnp.cos(place[::2] + np.pi * 0.125)[4:-4], atol=1e-5)


@pytest.mark.slow
def test_a_pristine_model_is_the_mean_and_covariance_of_sharp_patches(distorted):
    corners = [(slice(down, down + 240), slice(right, right + 240)) for down in (0, 48) for right in (0, 48)]
    photographs = [np.asarray(picture[corner]) for picture in distorted[:5] for corner in corners]
    fitted = niqe.fit_pristine(photographs, sharp=0.5)
    found = measure(jnp.asarray(np.stack(photographs)))
    sharp = found.sharpness > 0.5 * found.sharpness.max(-1, keepdims=True)
    kept = np.asarray(found.features)[np.asarray(sharp)]
    assert 40 < len(kept) < 80
    np.testing.assert_allclose(fitted.mean, kept.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(fitted.covariance, np.cov(kept.T), rtol=1e-3, atol=1e-5)
    noisiest = distorted[4]  # natural, to a model of such pictures
    assert float(niqe.niqe(noisiest, fitted)) < float(judge(noisiest))
    with pytest.raises(ValueError, match="more than 36 sharp patches, these images have"):
        niqe.fit_pristine(photographs[:4])
