"""What a reader of lips answers as a loss, the landmarks' and the eyes' losses of SadTalker, and the face they see."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtalk.face import face_points
from jaxtalk.face.arkit import INDEX
from jaxtalk.face.landmarks import eye_aspect_ratio, lip_opening
from jaxtalk.face.mouth import opening
from jaxtalk.losses import landmarks, lip_reading

RNG = np.random.default_rng(0)


def draw(*shape):
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


def test_spelling_is_the_cross_entropy_of_known_phonemes():
    logits, phoneme = draw(2, 5, 4), jnp.array([[0, 3, -1, 2, 1], [-1, -1, -1, -1, -1]])
    each = optax.softmax_cross_entropy_with_integer_labels(logits[0], jnp.maximum(phoneme[0], 0))
    got = lip_reading.spelled(logits, phoneme)
    np.testing.assert_allclose(got, [each[np.array([0, 1, 3, 4])].mean(), 0.0], rtol=1e-5)


def test_lips_that_say_what_is_heard_cost_nothing():
    face = draw(3, 6, 8)
    face = face / jnp.linalg.norm(face, axis=-1, keepdims=True)
    np.testing.assert_allclose(lip_reading.agreed(face, face), 0.0, atol=1e-6)
    np.testing.assert_allclose(lip_reading.agreed(face, -face), 2.0, atol=1e-6)
    slope = jax.grad(lambda x: lip_reading.agreed(x, face).sum())(jnp.zeros_like(face))
    assert np.isfinite(slope).all()


def test_weighted_landmarks_count_by_their_weight():
    points = draw(2, 4, 3)
    moved = points.at[:, 1].add(2.0)
    np.testing.assert_allclose(
        landmarks.weighted(moved, points, jnp.array([1.0, 5.0, 1.0, 1.0])), 12 * 5 / 8, rtol=1e-5
    )
    assert float(landmarks.weighted(moved, points, jnp.array([1.0, 0.0, 1.0, 1.0])).max()) == 0.0
    even = landmarks.weighted(moved, points, jnp.ones(4))
    np.testing.assert_allclose(landmarks.weighted(moved, points, jnp.full(4, 7.0)), even, rtol=1e-6)


def test_eyes_follow_the_signal():
    """The blink coefficients are what brings the eyes to where a blink signal wants them."""
    lids = np.array([INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"]])
    closed = jnp.zeros((5, 52)).at[:, lids].set(jnp.linspace(0, 1, 5)[:, None])
    ratio = eye_aspect_ratio(face_points.expressed(closed))
    open_eye = float(ratio[0])
    loss = landmarks.eye_ratio(ratio, jnp.full(5, ratio[2]), open_eye)
    assert int(loss.argmin()) == 2 and float(loss[2]) == 0.0 and 0.3 < float(loss[4]) < 1.0
    assert (np.diff(ratio) < 0).all() and float(ratio[-1]) < 0.1 * open_eye


def test_points_open_their_lips_as_the_mouth_does():
    expression = jnp.zeros((3, 52)).at[:, INDEX["jawOpen"]].set(jnp.array([0.2, 0.5, 0.9]))
    gap = lip_opening(face_points.expressed(expression)) - lip_opening(face_points.expressed(jnp.zeros((3, 52))))
    np.testing.assert_allclose(gap, opening(expression), rtol=0.25)  # with depth, which `opening` leaves out
