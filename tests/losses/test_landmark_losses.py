"""Losses of landmarks and detection against scipy and by their minima."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from jaxtalk.losses import landmarks
from jaxtalk.losses.detection import detection
from jaxtalk.models.face_detector import STRIDE, cell_centres

RNG = np.random.default_rng(0)


def points(shape):
    return jnp.asarray(RNG.uniform(0, 1, shape), jnp.float32)


def test_gaussian_is_the_log_likelihood_of_scipy():
    guess, truth, log_spread = points((3, 5, 2)), points((3, 5, 2)), jnp.asarray(RNG.normal(-2, 1, (3, 5)), jnp.float32)
    got = landmarks.gaussian(guess, log_spread, truth)
    density = scipy.stats.norm.logpdf(truth, guess, np.exp(log_spread)[..., None]).sum(-1)
    np.testing.assert_allclose(got, -density.mean(-1) - np.log(2 * np.pi), rtol=1e-4)


def test_gaussian_is_least_where_the_spread_is_the_error():
    guess, truth = points((1, 1, 2)), points((1, 1, 2))
    spread = jnp.linalg.norm(guess - truth, axis=-1) / np.sqrt(2)
    slope = jax.grad(lambda s: landmarks.gaussian(guess, s, truth).sum())(jnp.log(spread))
    np.testing.assert_allclose(slope, 0, atol=1e-4)


def test_distance_has_a_gradient_at_zero():
    truth = points((2, 68, 2))
    slope = jax.grad(lambda p: landmarks.distance(p, truth).sum())(truth)
    assert np.isfinite(slope).all()


def test_error_over_eyes_does_not_depend_on_scale():
    guess, truth = points((4, 68, 2)), points((4, 68, 2))
    np.testing.assert_allclose(landmarks.over_eyes(7 * guess, 7 * truth), landmarks.over_eyes(guess, truth), rtol=1e-5)


def test_detection_prefers_the_right_cell_place_and_size():
    middle, side = jnp.array([[[30.0, 21.0], [70.0, 60.0]]]), jnp.array([[20.0, 30.0]])
    shown = jnp.array([[True, False]])
    logit = jnp.full((1, 12, 12), -8.0)
    place = jnp.broadcast_to(cell_centres(12, 12) * STRIDE, (1, 12, 12, 2))

    def loss(row, column, offset=0.0, size=20.0):
        where = place.at[0, row, column].set(middle[0, 0] + offset)
        answer = logit.at[0, row, column].set(8.0), where, jnp.full((1, 12, 12), size)
        focal, error = detection(*answer, STRIDE, middle, side, shown)
        return float(focal[0]), float(error[0])

    focal, error = loss(2, 3)
    assert focal < 0.01 and error < 1e-5
    assert loss(2, 8)[0] > 5  # another cell
    assert loss(7, 8)[0] > 5  # the face that is not shown
    assert loss(2, 3, offset=4.0)[1] > 0.3
    assert loss(2, 3, size=40.0)[1] > 0.6
