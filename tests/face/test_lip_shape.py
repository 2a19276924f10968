import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.face.crop import turn
from jaxtalk.face.lip_shape import lip_shape

RNG = np.random.default_rng(0)


def _face(frames: int):
    face = RNG.normal(size=(1, 68, 2)) + 0.1 * RNG.normal(size=(frames, 68, 2))
    face[:, 36:42] -= [3.0, 0.0]
    face[:, 42:48] += [3.0, 0.0]
    return jnp.asarray(face, jnp.float32)


def test_place_size_and_roll_of_each_frame_change_nothing():
    face = _face(9)
    placed = face * jnp.asarray(RNG.uniform(0.5, 40, (9, 1, 1)), jnp.float32)
    placed = turn(placed, jnp.asarray(RNG.uniform(-3, 3, (9, 1)), jnp.float32))
    placed = placed + jnp.asarray(RNG.normal(0, 50, (9, 1, 2)), jnp.float32)
    np.testing.assert_allclose(lip_shape(placed), lip_shape(face), atol=2e-4)


def test_lips_that_part_by_a_share_of_the_face_part_by_that_share():
    face = np.zeros((2, 68, 2), np.float32)
    face[:, [36, 39], 0], face[:, [42, 45], 0] = -2.0, 2.0  # eyes 4 apart
    face[:, 27, 1], face[:, 33, 1] = 0.0, 3.0  # nose 3 long: the face's size is 5
    face[1, 66, 1] += 1.0  # middle of the lower lip
    shape = np.asarray(lip_shape(jnp.asarray(face)))
    np.testing.assert_allclose(shape[1, 18] - shape[0, 18], [0.0, 0.2], atol=1e-6)
    np.testing.assert_allclose(shape.sum(0), 0.0, atol=1e-6)


def test_nothing_at_all_is_finite_with_finite_gradients():
    face = jnp.zeros((1, 68, 2))
    assert float(jnp.abs(lip_shape(face)).max()) == 0.0
    assert bool(jnp.isfinite(jax.grad(lambda x: lip_shape(x).sum())(face)).all())
