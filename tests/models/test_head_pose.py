"""HEEstimator against the published network, and a small one to train."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.convert import sadtalker_vid2vid
from jaxtalk.models import head_pose


def test_golden_head_pose():
    """The published layer named roll gives the yaw, which the converter knows."""
    manifest, arrays = golden_fixture.load("sadtalker_heestimator")
    variables = sadtalker_vid2vid.head_pose_variables("golden", golden_fixture.state(manifest, arrays))
    image = jnp.moveaxis(golden_fixture.inputs(manifest)["image"], 1, -1)
    with jax.default_matmul_precision("highest"):
        motion = jax.jit(head_pose.HeadPoseEstimator().apply)(variables, image)
    golden_fixture.compare(manifest, arrays, "yaw", motion.yaw)
    golden_fixture.compare(manifest, arrays, "pitch", motion.pitch)
    golden_fixture.compare(manifest, arrays, "roll", motion.roll)
    golden_fixture.compare(manifest, arrays, "t", motion.translation)
    golden_fixture.compare(manifest, arrays, "exp", motion.expression.reshape(1, -1))


def test_small_network_has_finite_gradients_and_updates_its_statistics():
    model = head_pose.HeadPoseEstimator(head_pose.Config(points=2, bins=5, width=2, blocks=(1, 2)))
    image = jax.random.uniform(jax.random.key(1), (2, 32, 16, 3))
    variables = golden_fixture.variables(jax.eval_shape(model.init, jax.random.key(0), image))

    def loss(params):
        motion, updated = model.apply(variables | {"params": params}, image, train=True, mutable=["batch_stats"])
        assert motion.yaw.shape == (2, 5) and motion.expression.shape == (2, 2, 3)
        return sum(jnp.sum(jnp.sin(part)) for part in motion), updated

    gradients, updated = jax.jit(jax.grad(loss, has_aux=True))(variables["params"])
    for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
        name = jax.tree_util.keystr(path)
        assert np.isfinite(gradient).all(), name
        assert ("conv" in name and "bias" in name) or np.abs(gradient).max() > 0, name
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), updated["batch_stats"], variables["batch_stats"])
    assert all(jax.tree.leaves(moved))
