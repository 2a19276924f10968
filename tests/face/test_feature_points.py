"""Feature points and what is measured at them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.face import builtin, fap, feature_points, rotation
from jaxtalk.face.mediapipe import MIRROR_68


@pytest.fixture(scope="module")
def features():
    return feature_points.find(builtin.model())


def test_left_and_right_points_are_mirror_images(features):
    places = dict(zip(features.names, np.asarray(features.neutral), strict=False))
    pairs = "2.4 2.5,2.6 2.7,2.8 2.9,3.1 3.2,3.3 3.4,4.1 4.2,4.5 4.6,5.1 5.2,5.3 5.4,8.3 8.4,8.5 8.6,9.1 9.2,10.1 10.2"
    for left, right in (pair.split() for pair in pairs.split(",")):
        np.testing.assert_allclose(places[left] * [-1, 1, 1], places[right], atol=1e-6)
        assert places[left][0] > 0.003  # the subject's left is the right of the image
    for numbers in feature_points.LANDMARKS.values():
        assert len(MIRROR_68[list(numbers)]) == len(numbers) <= 2


def test_points_without_a_landmark_lie_where_they_belong(features):
    places = dict(zip(features.names, np.asarray(features.neutral), strict=False))
    assert places["2.1"][1] < places["2.10"][1] < places["8.2"][1] and abs(places["2.10"][0]) < 1e-3
    assert places["8.3"][0] < places["5.1"][0] and places["9.3"][1] < places["5.3"][1] + 0.02 < places["3.3"][1] + 0.02
    assert places["10.1"][1] > places["10.3"][1] and places["10.3"][0] > places["4.5"][0] + 0.015
    assert places["6.1"][2] > places["6.2"][2] and places["6.1"][2] < places["2.2"][2]


def test_the_neutral_face_measures_zero(features):
    model = builtin.model()
    assert np.abs(features.measure(features.gather(model.template))).max() < 1e-3


@pytest.mark.parametrize("name", ["raise_l_cornerlip", "lower_t_midlip_o", "squeeze_r_eyebrow", "pull_r_ear"])
def test_a_point_moved_by_a_1024th_of_its_distance_measures_one(features, name):
    model = builtin.model()
    parameter = fap.PARAMETERS[fap.COLUMN[name]]
    vertices = jnp.unique(features.vertices[features.names.index(parameter.point)])
    size = getattr(fap.distances(model), parameter.unit) / 1024
    direction = jnp.array(fap.DIRECTIONS[parameter.direction], jnp.float32)
    moved = model.template.at[vertices].add(250 * size * direction[None])
    faps = np.asarray(features.measure(features.gather(moved)))
    assert faps[fap.COLUMN[name]] == pytest.approx(250, abs=0.5)
    assert np.abs(np.delete(faps, fap.COLUMN[name])).max() < 0.5


def test_eyeballs_that_turn_and_come_forward_measure_their_angles(features):
    model, vertices = builtin.model(), builtin.model().template
    angles = np.array([[0.2, -0.4], [-0.3, 0.1]])
    for eye, (pitch, yaw) in zip(features.eyes, angles, strict=True):
        turn = rotation.matrix(jnp.array([pitch, yaw, 0.0]))
        ball = (model.template[eye.vertices] - eye.centre[None]) @ turn.T + eye.centre[None]
        vertices = vertices.at[eye.vertices].set(ball + jnp.array([[0.0, 0.0, 0.002]]))
    faps = np.asarray(features.measure(features.gather(vertices)))
    np.testing.assert_allclose(faps[np.array(feature_points.EYES)] * 1e-5, angles, atol=2e-3)
    forward = faps[np.array(feature_points.THRUSTS)] * np.asarray(features.unit)[np.array(feature_points.THRUSTS)]
    np.testing.assert_allclose(forward, 0.002, atol=1e-4)


def test_a_jaw_that_turns_about_its_hinge_measures_as_opening_and_nothing_else(features):
    chin = np.asarray(features.neutral)[features.names.index("2.1")]
    gathered = np.array(features.neutral)
    for name in feature_points.ON_JAW:
        k = features.names.index(name)
        move = 0.02 * feature_points.jaw_field(gathered[k], chin)
        gathered[k] += feature_points.ON_JAW[name] * move
    faps = np.asarray(features.measure(jnp.asarray(gathered, jnp.float32)))
    assert faps[fap.COLUMN["open_jaw"]] * float(features.unit[2]) == pytest.approx(0.02, rel=1e-4)
    assert np.abs(np.delete(faps, fap.COLUMN["open_jaw"])).max() < 0.1


@pytest.mark.slow
def test_measuring_is_differentiable_and_maps_over_frames(features):
    gathered = features.neutral[None] + 1e-3 * jax.random.normal(jax.random.key(0), (4, *features.neutral.shape))
    one_by_one = jnp.stack([features.measure(frame) for frame in gathered])
    np.testing.assert_allclose(features.measure(gathered), one_by_one, atol=0.5)
    gradient = jax.grad(lambda x: (features.measure(x) * features.unit[None]).sum())(gathered)
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0.1


def test_a_ball_is_found_from_points_on_it():
    directions = np.random.default_rng(0).normal(size=(40, 3))
    points = 3 + 0.5 * directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    centre, radius = feature_points.sphere(points)
    np.testing.assert_allclose(centre, 3, atol=1e-9)
    assert radius == pytest.approx(0.5)
