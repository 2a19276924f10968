import jax.numpy as jnp
import numpy as np
import pytest
import skimage.metrics

from jaxtalk.metrics import psnr
from jaxtalk.metrics.mean import Mean


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(0)
    image = rng.random((2, 3, 16, 20, 3)).astype(np.float32)
    noise = rng.normal(size=image.shape) * np.array([0.01, 0.05, 0.2])[:, None, None, None]
    return jnp.asarray(image), jnp.asarray((image + noise).clip(0, 1), jnp.float32)


def test_psnr_of_each_frame_is_scikit_images(frames):
    image, reference = map(np.asarray, frames)
    expected = [
        [skimage.metrics.peak_signal_noise_ratio(a, b, data_range=1) for a, b in zip(*clip, strict=True)]
        for clip in zip(reference, image, strict=True)
    ]
    np.testing.assert_allclose(psnr.psnr(*frames), expected, rtol=1e-5)


def test_one_grey_level_is_48_decibels_and_black_against_white_0():
    black = jnp.zeros((8, 8, 3))
    assert float(psnr.psnr(black, black + 1 / 255)) == pytest.approx(48.1308, abs=1e-3)
    assert float(psnr.psnr(black, black + 1)) == pytest.approx(0, abs=1e-5)


def test_equal_frames_are_infinite_and_so_is_a_mean_with_one_but_not_the_pooled_value(frames):
    image, reference = (x[0].at[1].set(0.5) for x in frames)
    values = psnr.psnr(image, reference)
    assert np.isinf(values[1]) and np.isfinite(values[::2]).all() and np.isinf(Mean.of(values).value())
    expected = -10 * np.log10(np.square(np.asarray(image) - np.asarray(reference)).mean())
    assert float(psnr.PooledPsnr.of(image, reference).value()) == pytest.approx(expected, rel=1e-5)
    assert np.isinf(psnr.PooledPsnr.of(image, image).value())


def test_pooled_psnr_merges_over_any_split_and_is_below_the_mean_of_frames(frames):
    image, reference = frames
    whole = psnr.PooledPsnr.of(image, reference)
    parts = psnr.PooledPsnr.of(image[0, :1], reference[0, :1])
    for a, b in ((image[0, 1:], reference[0, 1:]), (image[1], reference[1])):
        parts = parts.merge(psnr.PooledPsnr.of(a, b))
    assert float(parts.value()) == pytest.approx(float(whole.value()), rel=1e-6)
    assert float(whole.value()) < float(Mean.of(psnr.psnr(image, reference)).value()) - 1
    assert float(psnr.PooledPsnr(Mean(jnp.zeros(()), jnp.zeros(()))).value()) == 0
