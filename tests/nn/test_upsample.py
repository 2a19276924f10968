"""Convolutions on enlarged pictures against making them large first."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn import upsample
from jaxtalk.nn.conv import convolve
from jaxtalk.nn.upsample import EnlargedConv, convolve_enlarged, enlarge


def test_enlarges_height_and_width_to_nearest_pixels():
    x = jnp.arange(12.0).reshape(1, 1, 2, 3, 2)
    large = enlarge(x, 2)
    assert large.shape == (1, 1, 4, 6, 2)
    for row in range(4):
        for column in range(6):
            np.testing.assert_array_equal(large[0, 0, row, column], x[0, 0, row // 2, column // 2])


@pytest.mark.parametrize("space, factor", [((3, 2), 1), ((3, 2), 2), ((1, 4), 2), ((2, 3), 4), ((2, 3, 2), 2)])
def test_is_the_convolution_of_the_enlarged_picture(space, factor, monkeypatch):
    monkeypatch.setattr(upsample, "_SMALL", 0)  # small ones are enlarged else
    keys = jax.random.split(jax.random.key(0), 2)
    x = jax.random.normal(keys[0], (2, *space, 3))
    kernel = jax.random.normal(keys[1], (*[3] * len(space), 3, 4))

    def run(layer):
        y, pull = jax.vjp(layer, x, kernel)
        return y, pull(jnp.cos(y))

    ours = jax.jit(lambda: run(lambda x, k: convolve_enlarged(x, k, factor)))()
    expected = jax.jit(lambda: run(lambda x, k: convolve(enlarge(x, factor), k, padding=1)))()
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-4), ours, expected)


def test_layer_has_the_parameters_of_a_convolution():
    x = jax.ShapeDtypeStruct((2, 3, 5, 4, 6), jnp.float32)
    layer = EnlargedConv(7, 2, jnp.bfloat16)
    y, variables = jax.eval_shape(layer.init_with_output, jax.random.key(0), x)
    assert jax.tree.map(lambda p: (p.shape, p.dtype), variables["params"]) == {
        "kernel": ((3, 3, 3, 6, 7), jnp.float32),
        "bias": ((7,), jnp.float32),
    }
    assert y.shape == (2, 3, 10, 8, 7) and y.dtype == jnp.bfloat16
