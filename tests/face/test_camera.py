import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.face.camera import Pinhole, WeakPerspective

POINTS = 0.1 * jax.random.normal(jax.random.key(0), (5, 20, 3))


def test_pinhole_tends_to_weak_perspective_from_afar():
    centre = jnp.array([64.0, 80.0])
    far = Pinhole(jnp.array(1e6), centre, jnp.array(1000.0)).project(POINTS)
    flat = WeakPerspective(jnp.array(1000.0), centre).project(POINTS)
    np.testing.assert_allclose(far[..., :2], flat[..., :2], atol=0.1)


def test_up_is_up_and_near_is_near():
    camera = WeakPerspective(jnp.array(100.0), jnp.zeros(2))
    above, nearer = camera.project(jnp.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    assert above[1] < 0 and nearer[2] < 0


def test_a_camera_per_frame_equals_one_by_one():
    scales, centres = jnp.arange(1.0, 6.0), jnp.ones((5, 2)) * jnp.arange(5.0)[:, None]
    together = WeakPerspective(scales, centres).project(POINTS)
    for i in range(5):
        np.testing.assert_allclose(together[i], WeakPerspective(scales[i], centres[i]).project(POINTS[i]), atol=1e-5)
