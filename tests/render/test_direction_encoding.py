"""Spherical harmonics against the published kernels, against their definition, and against the harmonics of light."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_fixture import compare, inputs, load

from jaxtalk.errors import InputError
from jaxtalk.render import lighting
from jaxtalk.render.direction_encoding import harmonics


def test_published_values_up_to_degree_eight():
    manifest, arrays = load("radnerf_sh_freq")
    directions = inputs(manifest)["direction"]
    unit = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    compare(manifest, arrays, "unit_direction", unit)
    for degree in (4, 8):
        compare(manifest, arrays, f"sh_degree{degree}", harmonics(jnp.asarray(unit), degree))


def test_are_orthonormal_on_the_sphere():
    """By Gauss's rule along z and equal steps around it, exact for products of these polynomials."""
    degree = 6
    z, weight = np.polynomial.legendre.leggauss(degree)
    angle = np.linspace(0, 2 * np.pi, 2 * degree, endpoint=False)
    z, angle = np.meshgrid(z, angle, indexing="ij")
    radius = np.sqrt(1 - z**2)
    directions = np.stack([radius * np.cos(angle), radius * np.sin(angle), z], -1)
    values = np.asarray(harmonics(jnp.asarray(directions, jnp.float32), degree), np.float64).reshape(-1, degree**2)
    area = np.repeat(weight, 2 * degree) * np.pi / degree
    np.testing.assert_allclose(values.T @ (area[:, None] * values), np.eye(degree**2), atol=2e-6)


def test_light_has_the_first_nine_with_another_sign_and_the_cosine_folded_in():
    normals = jax.random.normal(jax.random.key(0), (20, 3))
    normals = normals / jnp.linalg.norm(normals, axis=-1, keepdims=True)
    factor = np.array([1] + [2 / 3 * sign for sign in (-1, 1, -1)] + [sign / 4 for sign in (1, -1, 1, -1, 1)])
    np.testing.assert_allclose(factor * np.asarray(harmonics(normals, 3)), lighting.basis(normals), atol=1e-6)


def test_slopes_are_finite_at_the_poles_and_those_of_finite_differences():
    poles = jnp.array([[0, 0, 1], [0, 0, -1], [1, 0, 0], [0.6, 0, 0.8]])
    towards = jnp.array([[0.3, -0.5, 0.7]] * len(poles))
    step = 1e-2
    _, slope = jax.jvp(lambda directions: harmonics(directions, 5), (poles,), (towards,))
    ends = [harmonics(poles + sign * step * towards, 5) for sign in (1, -1)]
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2 * step), atol=5e-3)


def test_needs_a_band():
    with pytest.raises(InputError, match="degree of at least 1, not 0"):
        harmonics(jnp.ones((1, 3)), 0)
