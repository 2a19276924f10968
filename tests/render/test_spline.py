"""Random warps: what the warped picture shows is where `place` says."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.render import spline
from jaxtalk.render.sample_volume import line


def bumps(points, size=48, width=0.08):
    """Pictures [b, s, s, k] with a bump at each point."""
    x, y = line(size)[None, None, :, None], line(size)[None, :, None, None]
    px, py = points[:, None, None, :, 0], points[:, None, None, :, 1]
    return jnp.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * width**2))


def middles(pictures):
    size = pictures.shape[1]
    share = pictures / pictures.sum((1, 2), keepdims=True)
    x = (share * line(size)[None, None, :, None]).sum((1, 2))
    y = (share * line(size)[None, :, None, None]).sum((1, 2))
    return jnp.stack([x, y], -1)


def test_no_warp_changes_nothing():
    warp = spline.sample(jax.random.key(0), 2, affine=0.0, spline=0.0)
    image = jax.random.uniform(jax.random.key(1), (2, 12, 16, 3))
    np.testing.assert_allclose(warp.picture(image), image, atol=1e-5)
    points = jax.random.uniform(jax.random.key(2), (2, 5, 2), minval=-1.0)
    np.testing.assert_allclose(warp.place(points), points, atol=1e-6)


def test_a_bump_of_the_warped_picture_comes_from_the_bump_of_the_picture():
    warp = spline.sample(jax.random.key(3), 2, affine=0.1, spline=0.003)
    points = jnp.array([[[0.0, 0.0], [0.4, -0.3], [-0.5, 0.2]]] * 2)
    seen = middles(warp.picture(bumps(points)))
    assert np.abs(seen - points).max() > 0.04
    np.testing.assert_allclose(warp.place(seen), points, atol=0.03)


def test_beyond_the_border_pictures_are_mirrored():
    shift = spline.Warp(jnp.array([[[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]]), jnp.zeros((1, 5, 5)))
    image = jnp.arange(9.0)[None, None, :, None] * jnp.ones((1, 9, 1, 1))
    np.testing.assert_allclose(shift.picture(image)[0, 4, :, 0], [4, 5, 6, 7, 8, 7, 6, 5, 4], atol=1e-4)


def test_the_spline_bends_as_its_formula_says():
    warp = spline.sample(jax.random.key(4), 1)
    point = np.array([0.3, -0.7])
    controls = [(x, y) for y in np.linspace(-1, 1, 5) for x in np.linspace(-1, 1, 5)]
    distance = np.array([abs(point[0] - x) + abs(point[1] - y) for x, y in controls])
    bend = (distance**2 * np.log(distance + 1e-6) * np.asarray(warp.weights).ravel()).sum()
    affine = np.asarray(warp.affine[0])
    wanted = affine[:, :2] @ point + affine[:, 2] + bend
    np.testing.assert_allclose(warp.place(jnp.asarray(point, jnp.float32)[None, None])[0, 0], wanted, rtol=1e-5)
