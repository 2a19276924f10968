"""The loss of corresponding pixels and that of textures: what they see and what they do not."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.losses import correspondence, style
from jaxtalk.render.flow_warp import flow_warp


def waves(shift):
    """Stripes along x, moved to the right by `shift` pixels: [1, 8, 32, 1]."""
    x = (jnp.arange(32) - shift) / 16 * 2 * jnp.pi
    return jnp.broadcast_to(0.5 + 0.4 * jnp.sin(x)[None, None, :, None], (1, 8, 32, 1))


def knows(shift):
    """A flow that knows by how much the second pair of pictures is moved against the first."""

    def follow(first, second):
        way = jnp.stack([jnp.full(first.shape[:3], shift), jnp.zeros(first.shape[:3])], -1)
        return way * jnp.array([1.0, -1.0]).reshape(-1, 1, 1, 1)

    return follow


def test_whole_pixels_are_moved_by_whole_pixels():
    image = jax.random.uniform(jax.random.key(0), (2, 5, 7, 3))
    flow = jnp.broadcast_to(jnp.array([2.0, -1.0]).reshape(1, 1, 1, 2), (2, 5, 7, 2))
    np.testing.assert_allclose(flow_warp(image, flow)[:, 1:, :-2], image[:, :-1, 2:], atol=1e-6)


def test_what_is_off_by_some_pixels_costs_what_is_left_of_the_way():
    true, made = waves(0), waves(2)

    def inside(a, b):
        return jnp.abs(a - b)[:, :, 4:-4].mean((1, 2, 3))

    def cost(rest):
        return correspondence.correspondence(knows(2.0), made, true, rest, inside)

    plain = 2 * inside(made, true)
    np.testing.assert_allclose(cost(1.0), plain, rtol=1e-5)
    assert float(cost(0.0)[0]) < 1e-5
    assert float(cost(0.1)[0]) < float(cost(0.2)[0]) < float(cost(0.5)[0]) < float(plain[0])


def test_the_flow_is_a_constant_and_only_pixels_learn():
    true, made = waves(0), waves(2)

    def cost(made, scale):
        follow = lambda first, second: scale * knows(2.0)(first, second)  # noqa: E731
        return correspondence.correspondence(follow, made, true).sum()

    pixels, flow = jax.grad(cost, (0, 1))(made, jnp.ones(()))
    assert np.abs(np.asarray(pixels)).max() > 0 and float(flow) == 0


def test_a_gram_matrix_does_not_know_where():
    maps = jax.random.normal(jax.random.key(1), (2, 4, 6, 3))
    pixels = np.asarray(maps).reshape(2, 24, 3)
    np.testing.assert_allclose(style.gram(maps), np.swapaxes(pixels, 1, 2) @ pixels / 72, rtol=1e-5, atol=1e-6)
    made, true = jax.random.uniform(jax.random.key(2), (2, 2, 8, 8, 3))

    def extract(image):
        return [image, image[:, ::2, ::2] ** 2]

    moved = lambda image: [image]  # noqa: E731
    np.testing.assert_allclose(style.style(moved, true[:, ::-1], true), 0.0, atol=1e-4)
    wanted = sum(
        abs(np.asarray(style.gram(a) - style.gram(b))).mean((1, 2))
        for a, b in zip(extract(made), extract(true), strict=True)
    )
    np.testing.assert_allclose(style.style(extract, made, true, 3.0), 3 * wanted, rtol=1e-5)
