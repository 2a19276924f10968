"""Pooling against PyTorch's, and its gradients."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.errors import InputError
from jaxtalk.nn.pool import average_pool, max_pool


@pytest.fixture(scope="module")
def golden():
    return golden_fixture.load("torch_pooling")


def test_every_rule_of_padding_rounding_and_counting(golden):
    manifest, arrays = golden
    x = jnp.asarray(golden_fixture.inputs(manifest)["x"]).transpose(0, 2, 3, 1)
    names = [output["name"] for output in manifest["outputs"] if not output["name"].startswith("resized")]
    assert len(names) == 12

    def pooled(x, name):
        kind, window, stride, padding, *flags = name.split("_")
        numbers = (int(window), int(stride), int(padding), "ceil" in flags)
        return max_pool(x, *numbers) if kind == "max" else average_pool(x, *numbers, "uncounted" not in flags)

    for name, y in zip(names, jax.jit(lambda x: [pooled(x, each) for each in names])(x), strict=True):
        golden_fixture.compare(manifest, arrays, name, y.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("shape", [(2, 8, 3), (2, 8, 6, 4, 3)])
def test_one_and_three_axes_are_means_and_maxima_of_blocks(shape):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    blocks = x.reshape(2, *(part for size in shape[1:-1] for part in (size // 2, 2)), 3)
    within = tuple(range(2, blocks.ndim - 1, 2))
    largest, mean = jax.jit(lambda x: (max_pool(x, 2, 2), average_pool(x, 2, 2)))(jnp.asarray(x))
    np.testing.assert_allclose(largest, blocks.max(within))
    np.testing.assert_allclose(mean, blocks.mean(within), atol=1e-6)


def test_padding_never_wins_and_the_largest_gets_the_gradient():
    x = np.random.default_rng(0).uniform(-2, -1, (1, 6, 6, 1)).astype(np.float32)
    y, gradient = jax.jit(lambda x: (max_pool(x, 3, 2, 1), jax.grad(lambda x: max_pool(x, 3, 2, 1).sum())(x)))(x)
    assert y.max() < 0
    np.testing.assert_allclose(gradient.sum(), y.size)
    assert set(np.unique(x[gradient > 0])) == set(np.unique(y))


def test_of_equal_values_the_first_row_by_row_has_the_gradient_and_nan_is_never_hidden():
    ties = np.array([[0, 3, 5, 5], [3, 3, 5, 5]], np.float32).reshape(1, 2, 4, 1)
    gradient = jax.jit(jax.grad(lambda x: max_pool(x, 2, 2).sum()))(jnp.asarray(ties))
    np.testing.assert_array_equal(gradient[0, :, :, 0], [[0, 1, 1, 0], [0, 0, 0, 0]])
    for place in range(4):
        x = np.zeros(4, np.float32)
        x[place] = np.nan
        assert np.isnan(max_pool(jnp.asarray(x.reshape(1, 2, 2, 1)), 2, 2)).all()


def test_pictures_smaller_than_the_window_are_refused():
    with pytest.raises(InputError, match="2 values here, too few for a window of 3"):
        max_pool(jnp.zeros((1, 8, 2, 1)), 3, 1)
