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


def test_articulate_stretches_from_closed_and_keeps_the_order():
    rng = np.random.default_rng(0)
    expression = np.zeros((200, 52), np.float32)
    expression[:, INDEX["jawOpen"]] = rng.uniform(0.1, 0.2, 200)
    expression[:, INDEX["mouthSmileLeft"]] = 0.3
    before = expression @ mouth.mouth().opening
    moved = mouth.articulate(expression)
    after = moved @ mouth.mouth().opening
    assert np.all(np.diff(after[np.argsort(before)]) >= -1e-6)
    assert np.isclose(np.mean(after < 1e-4), 0.1, atol=0.02)
    assert np.corrcoef(before, after)[0, 1] > 0.98 and after.std() > 1.8 * before.std()
    assert np.all(moved[:, INDEX["mouthSmileLeft"]] == expression[:, INDEX["mouthSmileLeft"]])
