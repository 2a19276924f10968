"""Winograd's filtering against the convolution in double precision and against XLA's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.nn import winograd
from jaxtalk.nn.conv import convolve


def at_once(x, kernel):
    axes = "DHW"[4 - x.ndim + 1 :]
    numbers = (f"N{axes}C", f"{axes}IO", f"N{axes}C")
    return jax.lax.conv_general_dilated(x, kernel, (1,) * len(axes), "VALID", dimension_numbers=numbers)


def both(run, x, kernel):
    y, pull = jax.vjp(run, x, kernel)
    return y, pull(jnp.cos(y))


@pytest.mark.parametrize(
    "space, window", [((5, 9), (3, 3)), ((4, 3), (1, 3)), ((3, 4, 18), (2, 3, 7)), ((6, 13), (3, 6))]
)
def test_is_the_convolution_and_so_are_its_gradients(space, window):
    keys = jax.random.split(jax.random.key(0), 2)
    x = jax.random.normal(keys[0], (2, *space, 3))
    kernel = jax.random.normal(keys[1], (*window, 3, 5)) / 5
    ours = jax.jit(lambda x, k: both(lambda x, k: winograd.convolve_winograd(x, k, at_once), x, k))(x, kernel)
    expected = jax.jit(lambda x, k: both(at_once, x, k))(x, kernel)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=5e-5), ours, expected)


def test_rounds_hardly_worse_than_products_at_once():
    rng = np.random.default_rng(0)
    x, kernel = rng.standard_normal((1, 6, 18, 256)), rng.standard_normal((3, 3, 256, 128)) / 48
    exact = sum(x[:, i : i + 4, j : j + 16] @ kernel[i, j] for i in range(3) for j in range(3))
    y = winograd.convolve_winograd(jnp.asarray(x, jnp.float32), jnp.asarray(kernel, jnp.float32), at_once)
    assert np.abs(y - exact).max() < 1e-5 * np.abs(exact).max()


def test_is_taken_for_wide_single_precision_only(monkeypatch):
    taken = []
    monkeypatch.setattr(winograd, "convolve_winograd", lambda x, *_: taken.append(x.shape) or x)

    def run(space, window, channels, dtype=jnp.float32, stride=1):
        x = jax.ShapeDtypeStruct((4, *space, channels), dtype)
        kernel = jax.ShapeDtypeStruct((*window, channels, channels), dtype)
        jax.eval_shape(lambda x, k: convolve(x, k, stride, 1), x, kernel)

    run((64, 64), (3, 3), 128)
    assert taken == [(4, 64, 64, 128)]
    for given in (
        ((64, 64), (3, 3), 64),  # few channels
        ((16, 16), (3, 3), 128),  # little work
        ((8, 8), (3, 3), 1024),  # few places
        ((512, 5), (3, 3), 256),  # tiles would be half empty
        ((64, 64), (2, 2), 256),
        ((64, 64), (3, 3), 128, jnp.bfloat16),
        ((128, 128), (3, 3), 128, jnp.float32, 2),
    ):
        run(*given)
    assert len(taken) == 1


def test_few_outputs_over_three_axes_are_made_for_all_depths_at_once():
    keys = jax.random.split(jax.random.key(1), 2)
    x, kernel = jax.random.normal(keys[0], (1, 4, 3, 5, 2)), jax.random.normal(keys[1], (3, 1, 3, 2, 4))
    numbers = ("NDHWC", "DHWIO", "NDHWC")
    exact = jax.lax.conv_general_dilated(x, kernel, (1, 1, 1), ((1, 1), (0, 0), (2, 2)), dimension_numbers=numbers)
    np.testing.assert_allclose(convolve(x, kernel, 1, (1, 0, 2)), exact, atol=1e-5)
