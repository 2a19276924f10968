"""Dense motion: its parts against their definitions."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.models import dense_motion
from jaxtalk.render.sample_volume import grid


def test_gaussians_are_exponentials_of_squared_distances():
    points = jax.random.uniform(jax.random.key(0), (2, 3, 3), minval=-1.0)
    places = grid(2, 3, 4)[None, ..., None, :]
    distance = jnp.sum((places - points[:, None, None, None]) ** 2, -1)
    np.testing.assert_allclose(dense_motion.gaussians(points, (2, 3, 4)), jnp.exp(-distance / 0.02), atol=1e-6)


def test_a_motion_of_little_weight_has_no_part():
    shifts = jnp.array([[[0.0, 0.0, 0.0], [0.5, -0.25, 1.0], [9.0, 9.0, 9.0]]])
    mask = jnp.broadcast_to(jnp.array([0.25, 0.7491, 0.0009]), (1, 2, 3, 4, 3))
    expected = 0.9991 * grid(2, 3, 4) + jnp.broadcast_to(0.7491 * shifts[0, 1], (2, 3, 4, 3))
    np.testing.assert_allclose(dense_motion.deformation(mask, shifts)[0], expected, atol=1e-6)


def test_keypoints_that_rest_leave_everything_in_its_place():
    """Whatever the network says, all candidates are then the same."""
    model = dense_motion.DenseMotion(dense_motion.Config(compressed=2, width=2, max_width=4, blocks=1))
    volume = jax.random.normal(jax.random.key(1), (1, 2, 4, 4, 3))
    points = jax.random.uniform(jax.random.key(2), (1, 2, 3), minval=-1.0)
    variables = golden_fixture.variables(jax.eval_shape(model.init, jax.random.key(0), volume, points, points))
    places, occlusion, aux = jax.jit(model.apply)(variables, volume, points, points)
    assert occlusion.shape == (1, 4, 4) and aux["mask"].shape == (1, 2, 4, 4, 3)
    np.testing.assert_allclose(aux["mask"].sum(-1), 1.0, atol=1e-6)
    np.testing.assert_allclose(places[0], grid(2, 4, 4), atol=3e-3)  # what falls below the threshold is lost
