import golden_fixture
import grey_photographs
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import skimage.data

from jaxtalk.metrics import cpbd

compiled, widths_of = jax.jit(cpbd.cpbd), jax.jit(cpbd.edge_widths)


def test_equals_the_python_package_on_photographs_blurred_and_noisy_ones():
    manifest, arrays = golden_fixture.load("cpbd")
    pictures = grey_photographs.cases()
    values = {}
    for size in {picture.shape for picture in pictures.values()}:
        names = [name for name, picture in pictures.items() if picture.shape == size]
        stack = jnp.asarray(np.stack([grey_photographs.colours(pictures[name]) for name in names]))
        values |= dict(zip(names, compiled(stack), strict=True))
    golden_fixture.compare(manifest, arrays, "cpbd", [values[name] for name in manifest["cases"]])
    camera = jnp.asarray(pictures["camera"], jnp.float32)
    golden_fixture.compare(manifest, arrays, "widths", widths_of(camera[None])[0])


@pytest.mark.parametrize("picture", [skimage.data.astronaut, skimage.data.cat])
def test_falls_with_blur_and_rises_with_noise(picture):
    sharp = picture()[:256, :256] / 255
    blurred = [scipy.ndimage.gaussian_filter(sharp, (sigma, sigma, 0)) for sigma in (3.0, 1.5, 0.7, 0.0)]
    noisy = (sharp + np.random.default_rng(0).normal(size=sharp.shape) * 0.1).clip(0, 1)
    values = compiled(jnp.asarray(np.stack([*blurred, noisy]), jnp.float32))
    assert (np.diff(values) > 0.01).all() and values[0] < 0.05


def ramp(levels: list[int]) -> np.ndarray:
    """A block that rises from 0 to 80 along each row, by the levels in between, and falls at once in its last pixel."""
    row = np.concatenate([np.zeros(30), levels, np.full(34 - len(levels), 80)])
    return np.tile(row, (64, 1))


def test_the_width_of_an_edge_is_the_length_of_its_rise_and_sharp_ones_are_counted():
    wide, narrow = ramp([1, 3, 40, 77, 79]), ramp([40])
    widths = np.asarray(widths_of(jnp.asarray(wide, jnp.float32)[None])[0])
    assert (widths[1:-1, 32] == 6).all() and np.count_nonzero(widths) == 62
    falling = widths_of(jnp.asarray(wide[:, ::-1].copy(), jnp.float32)[None])[0]
    np.testing.assert_array_equal(falling, widths[:, ::-1])
    image = jnp.asarray(grey_photographs.colours(np.hstack([wide, narrow[:, ::-1]])))
    assert float(compiled(image)) == pytest.approx(62 / 126, abs=0.02)


def test_a_width_of_five_is_sharp_only_at_low_contrast():
    soft = jnp.asarray(np.stack([grey_photographs.colours(np.round(ramp([1, 20, 64, 79]) * k)) for k in (1.0, 0.6)]))
    np.testing.assert_allclose(compiled(soft), [0, 1])


def test_nothing_to_judge_gives_zero():
    frames = jnp.zeros((2, 3, 64, 70, 3)).at[1].set(1)
    assert (compiled(frames) == 0).all() and compiled(frames).shape == (2, 3)
    with pytest.raises(ValueError, match="CPBD needs 64 pixels a side, the images are 64 x 63"):
        cpbd.cpbd(jnp.zeros((64, 63, 3)))
