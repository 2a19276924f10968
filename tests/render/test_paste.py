"""Pasting back: against a sparse solution of Poisson's equation, and what a viewer would see of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sparse
from scipy.sparse.linalg import spsolve

from jaxtalk.render.paste import membrane, paste, stretch

RNG = np.random.default_rng(0)
PASTE = jax.jit(paste)


def laplacian(picture):
    middle = picture[..., 1:-1, 1:-1, :]
    sides = (
        picture[..., :-2, 1:-1, :] + picture[..., 2:, 1:-1, :] + picture[..., 1:-1, :-2, :] + picture[..., 1:-1, 2:, :]
    )
    return sides - 4 * middle


def smooth(height, width, phase):
    y, x = np.mgrid[:height, :width] / 8
    return np.stack([0.5 + 0.2 * np.sin(x * a + y * b + phase) for a, b in ((1, 0.3), (0.2, 1), (0.7, 0.7))], -1)


def pasted(around, drawn):
    given = jnp.asarray(around, jnp.float32), jnp.asarray(drawn, jnp.float32)
    return np.asarray(PASTE(membrane(*around.shape[:2]), *given))


@pytest.mark.parametrize("shape", [(12, 17), (3, 9), (20, 5)])
def test_is_the_solution_of_poissons_equation(shape):
    height, width = shape
    around, drawn = RNG.random((height, width, 3)), RNG.random((1, height, width, 3))
    lines = [sparse.diags([1.0, -2.0, 1.0], [-1, 0, 1], (n, n)) for n in shape]
    whole = sparse.kron(lines[0], sparse.eye(width)) + sparse.kron(sparse.eye(height), lines[1])
    inside = np.zeros(shape, bool)
    inside[1:-1, 1:-1] = True
    system = sparse.diags(inside.ravel().astype(float)) @ whole + sparse.diags((~inside).ravel().astype(float))
    wanted = around.reshape(-1, 3).copy()
    wanted[inside.ravel()] = laplacian(drawn[0]).reshape(-1, 3)
    expected = spsolve(system.tocsc(), wanted).reshape(height, width, 3)
    np.testing.assert_allclose(pasted(around, drawn)[0], expected, atol=1e-5)


def test_the_border_is_untouched_and_details_inside_are_kept():
    around, drawn = RNG.random((30, 24, 3)).astype(np.float32), RNG.random((2, 30, 24, 3)).astype(np.float32)
    result = pasted(around, drawn)
    rim = np.ones((30, 24), bool)
    rim[1:-1, 1:-1] = False
    np.testing.assert_array_equal(result[:, rim], np.stack([around[rim]] * 2))
    inner = (slice(None), slice(1, -1), slice(1, -1))
    np.testing.assert_allclose(laplacian(result[inner]), laplacian(drawn[inner]), atol=3e-5)


def test_what_was_there_comes_back_to_the_bit():
    around = RNG.integers(0, 256, (40, 33, 3)).astype(np.float32) / 255
    np.testing.assert_array_equal(pasted(around, np.stack([around] * 2)), np.stack([around] * 2))


def test_another_light_is_taken_away():
    around = smooth(40, 32, 0.0)
    tinted = around + np.array([0.2, -0.1, 0.05]) + 0.002 * np.arange(32)[None, :, None]
    np.testing.assert_allclose(pasted(around, tinted[None])[0], around, atol=1e-5)


def test_no_seam_is_seen_at_the_border():
    """Another picture, brighter and shifted: the step from the border inwards is none that stands out."""
    around, drawn = smooth(64, 48, 0.0), 0.3 + smooth(64, 48, 0.6)
    result = pasted(around, drawn[None])[0]
    inside = max(np.abs(np.diff(result[2:-2, 2:-2], axis=axis)).max() for axis in (0, 1))
    for turned in (result, result[::-1], result.swapaxes(0, 1), result[:, ::-1].swapaxes(0, 1)):
        assert np.abs(turned[1] - turned[0]).max() <= inside
    hard = np.abs(drawn[1] - around[0]).max()
    assert hard > 3 * inside  # which a plain copy would show


def test_stretching_keeps_colours_and_places():
    picture = jnp.asarray(smooth(16, 16, 0.0)[None], jnp.float32)
    assert stretch(picture, 16, 16) is picture
    large = stretch(picture, 48, 32)
    assert large.shape == (1, 48, 32, 3)
    np.testing.assert_allclose(stretch(large, 16, 16), picture, atol=0.01)
    np.testing.assert_allclose(stretch(jnp.full((1, 8, 8, 3), 0.25), 5, 19), 0.25, rtol=1e-5)
