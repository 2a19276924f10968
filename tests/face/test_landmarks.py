"""What is measured on the 68 points."""

import jax.numpy as jnp
import numpy as np

from jaxtalk.face import landmarks


def square_face(opening):
    points = np.zeros((68, 2), np.float32)
    points[36], points[45] = (0, 0), (100, 0)
    points[48], points[54] = (20, 80), (75, 80)
    for k, (upper, lower) in enumerate(landmarks.INNER_LIPS):
        points[upper], points[lower] = (40 + 10 * k, 80), (40 + 10 * k, 80 + opening)
    return jnp.asarray(points)


def test_lip_opening_is_the_gap_over_the_distance_of_the_outer_eye_corners():
    np.testing.assert_allclose(landmarks.lip_opening(square_face(12.0)), 0.12, rtol=1e-6)
    np.testing.assert_allclose(landmarks.mouth_width(square_face(12.0)), 0.55, rtol=1e-6)


def test_lip_opening_ignores_place_size_and_rotation():
    face = square_face(9.0)
    c, s = np.cos(0.4), np.sin(0.4)
    moved = 3.0 * face @ jnp.array([[c, -s], [s, c]]) + jnp.array([[5.0, -2.0]])
    np.testing.assert_allclose(landmarks.lip_opening(moved), landmarks.lip_opening(face), rtol=1e-5)


def test_lip_opening_takes_frames_and_three_axes():
    flat = jnp.stack([square_face(a) for a in (0.0, 5.0, 10.0)])
    deep = jnp.concatenate([flat, jnp.zeros((3, 68, 1))], -1)
    np.testing.assert_allclose(landmarks.lip_opening(flat), [0, 0.05, 0.1], atol=1e-7)
    np.testing.assert_allclose(landmarks.lip_opening(deep), landmarks.lip_opening(flat))


def open_eyes(height, width=10.0):
    points = np.zeros((68, 2), np.float32)
    for first, x in ((36, 20.0), (42, 60.0)):
        offsets = [(0, 0), (0.3, -0.5), (0.7, -0.5), (1, 0), (0.7, 0.5), (0.3, 0.5)]
        points[first : first + 6] = [(x + dx * width, dy * height) for dx, dy in offsets]
    return jnp.asarray(points)


def test_eye_aspect_ratio_is_height_over_width():
    np.testing.assert_allclose(landmarks.eye_aspect_ratio(open_eyes(3.0)), 0.3, rtol=1e-5)
    assert float(landmarks.eye_aspect_ratio(open_eyes(0.0))) == 0
    wink = jnp.concatenate([open_eyes(3.0)[:42], open_eyes(1.0)[42:]])
    np.testing.assert_allclose(landmarks.eye_aspect_ratio(wink), 0.2, rtol=1e-5)
    assert float(landmarks.eye_aspect_ratio(jnp.zeros((68, 2)))) == 0


def test_eye_aspect_ratio_ignores_place_size_and_rotation():
    c, s = np.cos(0.4), np.sin(0.4)
    faces = jnp.stack([open_eyes(h) for h in (1.0, 2.0, 4.0)])
    moved = 3.0 * faces @ jnp.array([[c, -s], [s, c]]) + jnp.full((1, 1, 2), 7.0)
    np.testing.assert_allclose(landmarks.eye_aspect_ratio(moved), [0.1, 0.2, 0.4], rtol=1e-4)
