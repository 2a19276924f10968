"""Warping error: nothing for what stands still or moves as the flow says, the noise's own size for noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from jaxtalk.metrics import flicker

SIZE = 40


@pytest.fixture(scope="module")
def picture():
    noise = np.random.default_rng(0).normal(size=(SIZE + 20, SIZE + 20, 3))
    smooth = scipy.ndimage.gaussian_filter(noise, (3, 3, 0))
    return (0.5 + smooth / np.abs(smooth).max() / 2).astype(np.float32)


def _all(frames):
    return jnp.ones((len(frames) - 1, *frames.shape[1:3]), bool)


def test_a_still_clip_has_none(picture):
    frames = jnp.stack([jnp.asarray(picture)] * 3)
    flow = jnp.zeros((2, *picture.shape[:2], 2))
    np.testing.assert_array_equal(flicker.warping_error(frames, flow, _all(frames)), 0.0)


def test_a_clip_that_moves_as_its_flow_says_has_none(picture):
    frames = jnp.stack([jnp.asarray(picture[10 - 2 * k : 10 - 2 * k + SIZE, 3 * k : 3 * k + SIZE]) for k in range(3)])
    flow = jnp.broadcast_to(jnp.array([-3.0, 2.0]), (2, SIZE, SIZE, 2))
    np.testing.assert_allclose(flicker.warping_error(frames, flow, _all(frames)), 0.0, atol=1e-10)
    assert (flicker.warping_error(frames, jnp.zeros_like(flow), _all(frames)) > 1e-4).all()


def test_noise_of_its_own_in_each_frame_gives_twice_its_variance_in_each_colour():
    frames = jax.random.normal(jax.random.key(0), (4, 100, 100, 3)) * 0.1
    flow = jnp.zeros((3, 100, 100, 2))
    np.testing.assert_allclose(flicker.warping_error(frames, flow, _all(frames)), 3 * 2 * 0.01, rtol=0.03)


def test_what_is_not_seen_does_not_count(picture):
    first = jnp.asarray(picture[:SIZE, :SIZE])
    second = first.at[:, :10].set(1.0)
    frames, flow = jnp.stack([first, second]), jnp.zeros((1, SIZE, SIZE, 2))
    seen = _all(frames).at[:, :, :10].set(False)
    assert flicker.warping_error(frames, flow, _all(frames))[0] > 0.01
    assert flicker.warping_error(frames, flow, seen)[0] == 0.0
    assert flicker.warping_error(frames, flow, jnp.zeros_like(seen))[0] == 0.0


def test_warp_is_bilinear_as_scipys(picture):
    flow = np.random.default_rng(1).uniform(-6, 6, (*picture.shape[:2], 2)).astype(np.float32)
    warped, inside = flicker.warp(jnp.asarray(picture), jnp.asarray(flow))
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    place = np.stack([y + flow[..., 1], x + flow[..., 0]])
    expected = np.stack(
        [scipy.ndimage.map_coordinates(picture[..., c], place, order=1, mode="nearest") for c in range(3)], -1
    )
    np.testing.assert_allclose(np.asarray(warped), expected, atol=1e-5)
    limits = np.array(picture.shape[:2])[:, None, None] - 1
    np.testing.assert_array_equal(np.asarray(inside), ((place >= 0) & (place <= limits)).all(0))


def test_a_thing_that_moves_hides_what_is_behind_it():
    """A square moves ten pixels to the right over what stands still."""
    forward, backward = np.zeros((2, SIZE, SIZE, 2), np.float32)
    forward[10:20, 5:15, 0] = 10.0
    backward[10:20, 15:25, 0] = -10.0
    seen = np.asarray(flicker.visible(jnp.asarray(forward), jnp.asarray(backward)))
    assert not seen[12:18, 17:23].any()  # covered by the square in the next frame
    assert seen[12:18, 7:13].all() and seen[25:, 1:-1].all()


@pytest.mark.slow
def test_gradients_and_black_are_finite():
    frames, flow = jnp.zeros((2, 8, 8, 3)), jnp.full((1, 8, 8, 2), 0.5)
    seen = flicker.visible(flow, -flow)
    gradient = jax.grad(lambda f: flicker.warping_error(f, flow, seen).sum())(frames)
    assert np.isfinite(gradient).all() and flicker.warping_error(frames, flow, seen)[0] == 0.0


def test_a_single_frame_has_no_values():
    assert flicker.warping_error(
        jnp.zeros((1, 8, 8, 3)), jnp.zeros((0, 8, 8, 2)), jnp.zeros((0, 8, 8), bool)
    ).shape == (0,)
