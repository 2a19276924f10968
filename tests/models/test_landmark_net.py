"""Shapes, sizes and the properties by which the networks are used."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.models import face_detector, landmark_net


def count(variables) -> int:
    return sum(x.size for x in jax.tree.leaves(variables))


def test_landmark_net_starts_at_the_middle_and_is_small():
    net = landmark_net.LandmarkNet(landmark_net.Config())
    crops = jax.random.uniform(jax.random.key(1), (2, 80, 80, 3))
    variables = net.init(jax.random.key(0), crops)
    answer = net.apply(variables, crops)
    assert answer.landmarks.shape == (2, 68, 2) and answer.log_spread.shape == (2, 68) and answer.face.shape == (2,)
    np.testing.assert_allclose(answer.landmarks, 0.5, atol=0.1)
    assert 2 * count(variables) < 3e6  # bytes in float16


def test_space_to_depth_keeps_each_pixel():
    x = jnp.arange(4 * 6 * 2.0).reshape(1, 4, 6, 2)
    folded = landmark_net.space_to_depth(x)
    assert folded.shape == (1, 2, 3, 8)
    np.testing.assert_array_equal(folded[0, 1, 2], x[0, 2:4, 4:6].reshape(-1))


@pytest.mark.slow
def test_detector_moves_with_the_picture():
    """Fully convolutional: a picture moved by one cell gives the answer moved by one cell, away from the border."""
    net = face_detector.FaceDetector(face_detector.Config())
    picture = jax.random.uniform(jax.random.key(1), (1, 128, 160, 3))
    variables = net.init(jax.random.key(0), picture)
    here, moved = (net.apply(variables, p) for p in (picture, jnp.roll(picture, (8, 16), (1, 2))))
    assert here.face.shape == (1, 16, 20)
    np.testing.assert_allclose(moved.face[:, 8:-6, 9:-7], here.face[:, 7:-7, 7:-9], atol=1e-4)
    shift = jnp.array([16.0, 8.0])[None, None, None]
    np.testing.assert_allclose(moved.middle[:, 8:-6, 9:-7], here.middle[:, 7:-7, 7:-9] + shift, atol=1e-3)


def test_cells_start_as_background_of_a_face_s_size():
    net = face_detector.FaceDetector(face_detector.Config())
    picture = jnp.full((1, 64, 64, 3), 0.5)
    cells = net.apply(net.init(jax.random.key(0), picture), picture)
    assert float(cells.face.max()) < -2
    np.testing.assert_allclose(cells.side, face_detector.SIZE_UNIT, rtol=0.5)
