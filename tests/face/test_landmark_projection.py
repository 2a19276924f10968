"""Clamping, projection and smoothing of landmark tracks, against scipy, numpy and the formula of barycentre weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from jaxtalk.face import landmark_projection


def weights_in_double(point, near, ridge):
    """Barycentre weights as scikit-learn's locally linear embedding has them."""
    away = np.asarray(near, np.float64) - np.asarray(point, np.float64)
    gram = away @ away.T
    weights = np.linalg.solve(gram + ridge * np.trace(gram) * np.eye(len(near)), np.ones(len(near)))
    return weights / weights.sum()


@pytest.fixture(scope="module")
def person():
    """Frames of a person, which lie near a plane of 4 of 12 dimensions, and a track from elsewhere."""
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(4, 12))
    seen = rng.normal(size=(300, 4)) @ plane + 0.05 * rng.normal(size=(300, 12))
    track = rng.normal(size=(7, 4)) @ plane + 0.5 * rng.normal(size=(7, 12))
    return track.astype(np.float32), seen.astype(np.float32)


@pytest.mark.parametrize("count", [1, 10])
def test_projected_frames_are_the_barycentres_of_their_nearest_neighbours(person, count):
    track, seen = person
    got = landmark_projection.project(jnp.asarray(track), jnp.asarray(seen), neighbours=count)
    for x, y in zip(track, got, strict=True):
        near = seen[np.argsort(((seen - x) ** 2).sum(1))[:count]]
        np.testing.assert_allclose(y, weights_in_double(x, near, 1e-5) @ near, atol=2e-3)
    half = landmark_projection.project(jnp.asarray(track), jnp.asarray(seen), 0.5, count)
    np.testing.assert_allclose(half, (got + track) / 2, atol=1e-5)


def test_no_other_weights_of_sum_one_come_nearer():
    rng = np.random.default_rng(1)
    point, near = rng.normal(size=8).astype(np.float32), rng.normal(size=(4, 8)).astype(np.float32)
    weights = np.asarray(landmark_projection.barycentre_weights(jnp.asarray(point), jnp.asarray(near), 0.0))
    base, along = near[0].astype(np.float64), (near[1:] - near[0]).astype(np.float64)
    rest = np.linalg.lstsq(along.T, point - base, rcond=None)[0]  # the published closed form
    np.testing.assert_allclose(weights, [1 - rest.sum(), *rest], atol=1e-5)


def test_a_seen_frame_stays_and_repeated_neighbours_do_no_harm(person):
    _, seen = person
    for other in (seen, np.repeat(seen[:30], 10, axis=0)):
        got = landmark_projection.project(jnp.asarray(other[:5]), jnp.asarray(other))
        np.testing.assert_allclose(got, other[:5], atol=1e-2)


def test_clamping_holds_brows_and_eyes_nearer_than_the_rest():
    mean, deviation = jnp.full((68, 3), 2.0), jnp.full((68, 3), 0.1)
    track = jnp.concatenate([jnp.full((1, 68, 3), 9.0), jnp.full((1, 68, 3), -9.0), mean[None] + 0.1])
    high, low, inside = landmark_projection.clamp(track, mean, deviation)
    np.testing.assert_allclose(inside, track[2])
    half = np.zeros((68, 3), bool)
    half[[*range(17, 27), *range(36, 48)], :2] = True
    np.testing.assert_allclose(high, np.where(half, 2.125, 2.25), rtol=1e-6)
    np.testing.assert_allclose(low, np.where(half, 1.875, 1.75), rtol=1e-6)


@pytest.mark.parametrize("frames, sigma", [(40, 1.5), (3, 2.0), (5, 0.0)])
def test_smoothing_is_scipys(frames, sigma):
    track = jax.random.normal(jax.random.key(0), (frames, 2, 3))
    want = gaussian_filter1d(np.asarray(track), sigma, axis=0) if sigma else track
    np.testing.assert_allclose(landmark_projection.smooth(track, sigma), want, atol=1e-6)


def test_a_lagging_track_nears_a_step_by_a_fifth_of_what_is_left():
    track = jnp.array([0.0, 1.0, 1.0, 1.0])[:, None]
    np.testing.assert_allclose(landmark_projection.lag(track)[:, 0], [0, 0.8, 0.96, 0.992], atol=1e-6)
