import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.face import builtin, landmarks, mouth
from jaxtalk.face.arkit import INDEX


def _points(expression):
    model = builtin.model()
    vertices = np.asarray(model.template) + np.tensordot(expression, np.asarray(model.expression), 1)
    return jnp.asarray(vertices[np.asarray(model.landmarks)])


def test_opening_is_the_vertical_part_of_the_landmarks_distance():
    expression = np.zeros(52, np.float32)
    expression[[INDEX["jawOpen"], INDEX["mouthClose"]]] = 0.4, 0.15
    flat = _points(expression) * jnp.array([[1.0, 1.0, 0.0]])
    assert float(mouth.opening(jnp.asarray(expression))) == pytest.approx(float(landmarks.lip_opening(flat)), rel=0.05)


def test_closed_jaw_and_mouth_close_meet():
    expression = np.zeros(52, np.float32)
    expression[[INDEX["jawOpen"], INDEX["mouthClose"]]] = 0.3
    assert abs(float(mouth.opening(jnp.asarray(expression)))) < 1e-3


def test_meet_closes_what_nearly_touches_and_takes_the_margin_off_the_rest():
    expression = np.zeros((40, 52), np.float32)
    expression[:, INDEX["jawOpen"]] = np.linspace(0, 0.3, 40)
    expression[:, INDEX["mouthSmileLeft"]] = 0.3
    before = np.asarray(mouth.opening(jnp.asarray(expression)))
    moved = np.asarray(mouth.meet(jnp.asarray(expression), margin=0.02))
    after = np.asarray(mouth.opening(jnp.asarray(moved)))
    smile = float(mouth.mouth().opening[INDEX["mouthSmileLeft"]]) * 0.3
    assert abs(smile) < 1e-3  # a smile alone does not part the lips
    np.testing.assert_allclose(after, np.maximum(before - 0.02, 0), atol=1.5e-3)
    assert np.all(moved[:, INDEX["mouthSmileLeft"]] == expression[:, INDEX["mouthSmileLeft"]])


def test_meet_leaves_pressed_lips_as_they_are():
    pressed = jnp.zeros(52).at[INDEX["mouthClose"]].set(0.2)
    np.testing.assert_array_equal(mouth.meet(pressed), pressed)


def test_touch_closes_lips_where_a_closure_is_likely_and_leaves_the_jaw():
    spoken = np.zeros((3, 52), np.float32)
    for name, value in {"jawOpen": 0.3, "mouthClose": 0.05, "mouthSmileLeft": 0.2, "mouthUpperUpLeft": 0.2}.items():
        spoken[:, INDEX[name]] = value
    moved = np.asarray(mouth.touch(jnp.asarray(spoken), jnp.array([0.0, 0.2, 0.9]), low=0.1, high=0.3))
    before, after = (np.asarray(mouth.opening(jnp.asarray(x))) for x in (spoken, moved))
    np.testing.assert_allclose(after, before * [1, 0.5, 0], atol=1e-4)
    for name in ("jawOpen", "mouthSmileLeft"):
        np.testing.assert_array_equal(moved[:, INDEX[name]], spoken[:, INDEX[name]])
    assert np.all(moved <= 1) and moved[2, INDEX["mouthClose"]] > 0.25


def test_touch_leaves_pressed_lips_as_they_are():
    pressed = jnp.zeros(52).at[INDEX["mouthClose"]].set(0.2)
    np.testing.assert_array_equal(mouth.touch(pressed, jnp.array(1.0)), pressed)
