import jax
import jax.numpy as jnp
import numpy as np
from scipy.ndimage import map_coordinates

from jaxtalk.render import texture


def test_bilinear_lookup_agrees_with_scipy_and_clamps():
    rng = np.random.default_rng(0)
    image = rng.random((9, 13, 2)).astype(np.float32)
    uv = rng.uniform(-0.2, 1.2, (5, 40, 2)).astype(np.float32)
    expected = np.stack(
        [
            map_coordinates(image[..., c], [(1 - uv[..., 1]) * 9 - 0.5, uv[..., 0] * 13 - 0.5], order=1, mode="nearest")
            for c in range(2)
        ],
        -1,
    )
    np.testing.assert_allclose(texture.sample(jnp.asarray(image), jnp.asarray(uv)), expected, atol=1e-5)


def test_pixel_centres_return_the_image():
    image = jnp.asarray(np.random.default_rng(1).random((6, 7, 3)), jnp.float32)
    y, x = np.mgrid[:6, :7] + 0.5
    np.testing.assert_allclose(texture.at(image, jnp.stack([x, y], -1)), image, atol=1e-6)


def test_gradients_reach_texture_and_place():
    image = jnp.asarray(np.random.default_rng(2).random((6, 7, 1)), jnp.float32)
    place = jnp.array([2.8, 3.3])
    slope = jax.jacobian(lambda p: texture.at(image, p)[0])(place)
    ends = [texture.at(image, place + jnp.array([s * 0.1, 0.0]))[0] for s in (1, -1)]
    np.testing.assert_allclose(slope[0], (ends[0] - ends[1]) / 0.2, rtol=1e-3)
    weights = jax.grad(lambda t: texture.at(t, place)[0])(image)
    np.testing.assert_allclose(weights.sum(), 1.0, rtol=1e-6)
