import jax.numpy as jnp
import numpy as np

from jaxtalk.render import texture, warp


def _trusted_disc():
    place = np.asarray(warp.nodes(200, 240))
    return jnp.asarray(np.hypot(place[..., 0] - 120, place[..., 1] - 90) < 40, jnp.float32)


def test_trusted_nodes_are_followed_neighbours_fade_and_the_rim_stays():
    trust = _trusted_disc()
    measured = jnp.ones((trust.size, 1)) * jnp.array([[3.0, -2.0]])
    moved = np.asarray(warp.follower(trust) @ measured).reshape(*trust.shape, 2)
    middle = np.asarray(trust) > 0
    np.testing.assert_allclose(moved[middle], np.broadcast_to([3.0, -2.0], moved[middle].shape), rtol=0.15)
    np.testing.assert_allclose(moved[0], 0, atol=1e-3)
    np.testing.assert_allclose(moved[:, -1], 0, atol=1e-3)
    row = moved[int(90 / 200 * warp.NODES), :, 0]
    assert (np.diff(row[: warp.NODES // 2]) >= -1e-4).all()  # rises steadily from the rim to the disc
    assert moved[..., 0].max() <= 3.0 + 1e-3


def test_untrusted_measurements_do_not_matter():
    trust = _trusted_disc()
    matrix = warp.follower(trust)
    noise = jnp.asarray(np.random.default_rng(0).normal(size=(trust.size, 2)), jnp.float32)
    np.testing.assert_allclose(matrix @ (noise * (trust.ravel() == 0)[:, None]), 0, atol=1e-5)


def test_backward_undoes_the_deformation():
    place = np.asarray(warp.nodes(120, 160))
    x, y = place[..., 0] / 160, place[..., 1] / 120
    window = np.sin(np.pi * x) * np.sin(np.pi * y)
    field = jnp.asarray(np.stack([9 * window, -7 * window], -1), jnp.float32)
    back = warp.backward(field, 120, 160)
    here = jnp.stack(jnp.meshgrid(jnp.arange(160) + 0.5, jnp.arange(120) + 0.5), -1)
    source = here + back
    cell = jnp.array([[[160, 120]]]) / warp.NODES
    forward = texture.at(field, source / cell)
    np.testing.assert_allclose((source + forward)[8:-8, 8:-8], here[8:-8, 8:-8], atol=0.15)


def test_no_displacement_is_no_deformation():
    assert not np.asarray(warp.backward(jnp.zeros((warp.NODES, warp.NODES, 2)), 50, 70)).any()
