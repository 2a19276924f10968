"""Keypoints against the published network and code, and as a network to train."""

import dataclasses

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.spatial.transform import Rotation

from jaxtalk.convert import sadtalker_vid2vid
from jaxtalk.models import keypoints
from jaxtalk.nn.shrink import shrink


def first(x):
    """Channels before space, as the fixtures have them."""
    return np.moveaxis(x, -1, 1)


def test_golden_keypoints():
    manifest, arrays = golden_fixture.load("sadtalker_kpdetector")
    variables = sadtalker_vid2vid.keypoint_variables("golden", golden_fixture.state(manifest, arrays))
    image = jnp.moveaxis(golden_fixture.inputs(manifest)["image"], 1, -1)
    with jax.default_matmul_precision("highest"):
        places, aux = jax.jit(keypoints.KeypointDetector().apply)(variables, image)
    golden_fixture.compare(manifest, arrays, "down", first(shrink(image, 4)))
    golden_fixture.compare(manifest, arrays, "feature_map", first(aux["features"]))
    golden_fixture.compare(manifest, arrays, "heatmap_logits", first(aux["logits"]))
    golden_fixture.compare(manifest, arrays, "kp", places)


def test_golden_transformation():
    manifest, arrays = golden_fixture.load("sadtalker_keypoint_transformation")
    given = {name: jnp.asarray(value) for name, value in golden_fixture.inputs(manifest).items()}
    expression = given["exp"].reshape(2, 15, 3)
    motion = keypoints.KeypointMotion(given["yaw"], given["pitch"], given["roll"], given["t"], expression)
    angles = motion.angles()
    translation = motion.translation * keypoints.SADTALKER_AXES[None]
    golden_fixture.compare(manifest, arrays, "degrees", angles)
    golden_fixture.compare(manifest, arrays, "rotation", keypoints.rotation(angles))
    given_angles = jnp.stack([given["yaw_in"], given["pitch_in"], given["roll_in"]], -1)
    for name, turn, moved in (
        ("kp_transformed", angles, expression),
        ("kp_wo_exp", angles, 0 * expression),
        ("kp_with_pose_in", given_angles, expression),
    ):
        golden_fixture.compare(manifest, arrays, name, keypoints.transform(given["kp"], turn, translation, moved))


def test_rotation_is_about_x_then_y_then_z_in_the_turned_frame():
    angles = jnp.array([[20.0, -35.0, 50.0], [0.0, 0.0, 0.0]])
    yaw, pitch, roll = np.asarray(angles).T * keypoints.PI / np.pi
    expected = Rotation.from_euler("XYZ", np.stack([pitch, yaw, roll], -1), degrees=True).as_matrix()
    np.testing.assert_allclose(keypoints.rotation(angles), expected, atol=1e-6)


def test_mean_place_of_a_single_cell_is_its_place_on_the_published_grid():
    heatmap = jnp.zeros((1, 3, 5, 9, 1)).at[0, 2, 1, 4, 0].set(1.0)
    np.testing.assert_allclose(keypoints.mean_places(heatmap)[0, 0], [0.0, -0.5, 1.0], atol=1e-6)


@pytest.fixture(scope="module")
def small():
    model = keypoints.KeypointDetector(keypoints.Config(points=3, shrink=2, width=2, max_width=6, blocks=2, depth=4))
    image = jax.random.uniform(jax.random.key(1), (2, 32, 16, 3))
    return model, golden_fixture.variables(jax.eval_shape(model.init, jax.random.key(0), image)), image


def test_learns_where_points_are(small):
    model, variables, image = small
    target = jax.random.uniform(jax.random.key(2), (2, 3, 3), minval=-0.5, maxval=0.5)
    optimizer = optax.adam(3e-3)

    @jax.jit
    def step(variables, state):
        def loss(params):
            (places, aux), updated = model.apply(
                variables | {"params": params}, image, train=True, mutable=["batch_stats"]
            )
            return jnp.mean((places - target) ** 2), updated

        (value, updated), gradients = jax.value_and_grad(loss, has_aux=True)(variables["params"])
        updates, state = optimizer.update(gradients, state)
        return {"params": optax.apply_updates(variables["params"], updates), **updated}, state, value, gradients

    state, losses = optimizer.init(variables["params"]), []
    for _ in range(8):
        variables, state, value, gradients = step(variables, state)
        losses.append(float(value))
    assert losses[-1] < 0.8 * losses[0]
    for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
        name = jax.tree_util.keystr(path)
        assert np.isfinite(gradient).all(), name
        assert ("conv" in name and "bias" in name) or np.abs(gradient).max() > 0, name  # a norm takes biases away


def test_half_precision_stays_close(small):
    model, variables, image = small
    places, aux = jax.jit(model.apply)(variables, image)
    assert places.shape == (2, 3, 3) and np.abs(places).max() <= 1
    assert aux["logits"].shape == (2, 4, 16, 8, 3) and aux["features"].shape == (2, 4, 16, 8, 2)
    config = dataclasses.replace(model.config, dtype=jnp.bfloat16)
    half, _ = jax.jit(keypoints.KeypointDetector(config).apply)(variables, image)
    assert half.dtype == jnp.float32
    np.testing.assert_allclose(half, places, atol=0.2)
