import jax.numpy as jnp
import numpy as np
from scipy.special import sph_harm_y

from jaxtalk.render import lighting


def directions(count, seed=0):
    n = np.random.default_rng(seed).normal(size=(count, 3))
    return jnp.asarray(n / np.linalg.norm(n, axis=-1, keepdims=True), jnp.float32)


def test_basis_is_the_real_spherical_harmonics_times_the_cosine_lobe():
    n = np.asarray(directions(50), np.float64)
    theta, phi = np.arccos(n[:, 2]), np.arctan2(n[:, 1], n[:, 0])
    columns = []
    for band, lobe in enumerate((1, 2 / 3, 1 / 4)):
        for m in range(-band, band + 1):
            y = sph_harm_y(band, abs(m), theta, phi) * (-1) ** m
            real = y.real if m == 0 else np.sqrt(2) * (y.imag if m < 0 else y.real)
            columns.append(lobe * real)
    np.testing.assert_allclose(lighting.basis(jnp.asarray(n, jnp.float32)), np.stack(columns, -1), atol=1e-5)


def test_irradiance_of_a_smooth_environment_by_monte_carlo():
    """Light 1 + 0.8 x from direction (x, y, z): integrate its clamped cosine by sampling."""
    sphere = np.asarray(directions(400_000, 1), np.float64)
    light = 1 + 0.8 * sphere[:, 0]
    coefficients = np.zeros((9, 3), np.float32)
    coefficients[0], coefficients[3] = np.sqrt(4 * np.pi), 0.8 * np.sqrt(4 * np.pi / 3)
    for normal in np.asarray(directions(4, 2)):
        irradiance = 4 * np.pi * (light * np.maximum(sphere @ normal, 0)).mean()
        shaded = lighting.shade(jnp.asarray(normal), jnp.ones(3), jnp.asarray(coefficients))
        np.testing.assert_allclose(shaded, irradiance / np.pi, rtol=2e-2)


def test_white_light_shows_the_albedo():
    albedo = jnp.asarray(np.random.default_rng(3).random((20, 3)), jnp.float32)
    np.testing.assert_allclose(lighting.shade(directions(20), albedo, jnp.asarray(lighting.WHITE)), albedo, rtol=1e-4)


def test_fit_recovers_the_light():
    light = jnp.asarray(np.random.default_rng(4).normal(size=(9, 3)), jnp.float32)
    normals = directions(2000, 5).reshape(40, 50, 3)
    colours = lighting.shade(normals, jnp.ones((40, 50, 3)), light)
    mask = jnp.arange(40)[:, None] * jnp.ones((1, 50)) < 30
    spoiled = jnp.where(mask[..., None], colours, 99.0)
    np.testing.assert_allclose(lighting.fit(normals, spoiled, mask, ridge=0.0), light, atol=2e-3)
    damped = lighting.shade(normals, jnp.ones_like(colours), lighting.fit(normals, spoiled, mask))
    assert np.abs(damped - colours).mean() < 0.05 * np.abs(colours).mean()
