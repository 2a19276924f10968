import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial.transform import Rotation

from jaxtalk.face import rotation

ANGLES = jax.random.uniform(jax.random.key(0), (64, 3), minval=-1.4, maxval=1.4)


def test_matrix_agrees_with_scipy():
    expected = Rotation.from_euler("xyz", np.asarray(ANGLES)).as_matrix()
    np.testing.assert_allclose(rotation.matrix(ANGLES), expected, atol=1e-6)


def test_quaternion_agrees_with_scipy():
    expected = Rotation.from_euler("xyz", np.asarray(ANGLES)).as_quat()
    ours = np.asarray(rotation.quaternion(ANGLES))
    np.testing.assert_allclose(ours * np.sign(np.sum(ours * expected, -1, keepdims=True)), expected, atol=1e-6)


def test_angles_inverts_matrix():
    np.testing.assert_allclose(rotation.angles(rotation.matrix(ANGLES)), ANGLES, atol=2e-5)


def test_signs_are_the_stated_ones():
    nose = jnp.array([0.0, 0.0, 1.0])
    down, right, _ = rotation.matrix(0.3 * jnp.eye(3)) @ nose
    assert down[1] < 0 and right[0] > 0
    assert (rotation.matrix(jnp.array([0.0, 0.0, 0.3])) @ jnp.array([1.0, 0.0, 0.0]))[1] > 0
