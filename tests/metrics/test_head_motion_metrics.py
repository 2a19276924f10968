"""Spread of the head's pose, rests of its movement, and how near they are to beats of the sound."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.signal import argrelextrema

from jaxtalk.metrics import head_motion

RNG = np.random.default_rng(0)
INF = np.inf


def nods(period: float, fps: int, seconds: float) -> np.ndarray:
    t = np.arange(int(seconds * fps)) / fps
    return np.stack([0.2 * np.cos(2 * np.pi * t / period), 0 * t, 0 * t], -1).astype(np.float32)


def test_diversity_is_the_standard_deviation():
    pose = RNG.normal(size=(4, 50, 3)).astype(np.float32)
    np.testing.assert_allclose(head_motion.diversity(jnp.asarray(pose)), pose.std(1).mean(-1), rtol=1e-5)
    assert float(head_motion.diversity(jnp.ones((20, 3)))) == 0
    known = jnp.broadcast_to(jnp.arange(50) < 30, (4, 50))
    padded = jnp.asarray(np.where(np.arange(50)[:, None] < 30, pose, 99))
    np.testing.assert_allclose(head_motion.diversity(padded, known), pose[:, :30].std(1).mean(-1), rtol=1e-5)
    assert float(head_motion.diversity(jnp.ones((20, 3)), jnp.zeros(20, bool))) == 0


def test_diversity_ignores_where_the_head_looks_and_grows_with_how_far_it_turns():
    pose = jnp.asarray(nods(1.0, 25, 4))
    once = head_motion.diversity(pose)
    np.testing.assert_allclose(head_motion.diversity(3 * pose + jnp.full_like(pose, 0.5)), 3 * once, rtol=1e-5)


def test_motion_beats_are_the_turning_points_of_a_nod():
    """A nod of 1 s comes to rest twice a second, at each multiple of half a second."""
    for fps in (25, 60):
        times = np.asarray(head_motion.motion_beats(jnp.asarray(nods(1.0, fps, 6.0)), fps))
        beats = times[np.isfinite(times)]
        inner = beats[(beats > 0.3) & (beats < 5.7)]
        np.testing.assert_allclose(inner, np.arange(0.5, 5.6, 0.5), atol=0.5 / fps + 1e-6)


def test_motion_beats_are_scipys_minima_of_speed_smoothed_by_scipy():
    pose = RNG.normal(size=(300, 3)).cumsum(0).astype(np.float32)
    speed = np.linalg.norm(np.diff(pose, axis=0), axis=-1) * 25
    weights, radius = np.ones_like(speed), int(np.ceil(4 * 25 * 5 / 60))
    blur = [gaussian_filter1d(x, 25 * 5 / 60, mode="constant", radius=radius) for x in (speed, weights)]
    (expected,) = argrelextrema(blur[0] / blur[1], np.less)
    times = np.asarray(head_motion.motion_beats(jnp.asarray(pose), 25))
    np.testing.assert_allclose(times[np.isfinite(times)], (expected + 0.5) / 25, rtol=1e-5)
    assert len(expected) > 20


def test_motion_beats_of_padded_clips_are_those_of_the_clips():
    pose = RNG.normal(size=(200, 3)).cumsum(0).astype(np.float32)
    padded = jnp.concatenate([pose, jnp.full((60, 3), 7.0)])
    times = head_motion.motion_beats(padded, 25, jnp.arange(260) < 200)
    np.testing.assert_allclose(times[:199], head_motion.motion_beats(jnp.asarray(pose), 25), rtol=1e-6)
    assert np.isinf(times[199:]).all()


def test_a_still_head_and_a_single_frame_have_no_beats():
    assert np.isinf(head_motion.motion_beats(jnp.ones((2, 40, 3)), 25)).all()
    assert head_motion.motion_beats(jnp.ones((2, 1, 3)), 25).shape == (2, 0)
    assert float(head_motion.beat_alignment(jnp.array([1.0]), head_motion.motion_beats(jnp.ones((1, 3)), 25))) == 0


def test_alignment_by_hand():
    audio, motion = jnp.array([1.0, 2.0, INF]), jnp.array([INF, 1.0, 2.05, 9.0])
    near = np.exp(-0.5)  # 50 ms, one sigma
    assert float(head_motion.beat_alignment(audio, motion)) == pytest.approx((1 + near) / 2, rel=1e-4)
    assert float(head_motion.beat_alignment(audio, motion, over="motion")) == pytest.approx((1 + near) / 3, rel=1e-4)
    wide = float(head_motion.beat_alignment(audio, motion, sigma=0.12))
    assert wide == pytest.approx((1 + np.exp(-((0.05 / 0.12) ** 2) / 2)) / 2, rel=1e-4)


def test_alignment_is_the_loop_of_the_paper():
    """sigma^2 = 9 square frames at 60 frames a second, over all audio beats of a clip."""
    audio, motion = np.sort(RNG.uniform(0, 10, (2, 3, 12)).astype(np.float32))
    expected = [
        np.mean([np.exp(-np.min((60 * (m - a)) ** 2) / 2 / 9) for a in x]) for x, m in zip(audio, motion, strict=True)
    ]
    np.testing.assert_allclose(head_motion.beat_alignment(jnp.asarray(audio), jnp.asarray(motion)), expected, rtol=1e-3)


def test_alignment_is_between_0_and_1_and_0_without_beats():
    beats, none = jnp.array([0.3, 1.1, INF]), jnp.array([INF, INF])
    assert float(head_motion.beat_alignment(beats, beats)) == 1
    for over in ("audio", "motion"):
        assert float(head_motion.beat_alignment(beats, none, over=over)) == 0
        assert float(head_motion.beat_alignment(none, beats, over=over)) == 0
        assert float(head_motion.beat_alignment(beats, beats + 60, over=over)) == 0


def test_nods_on_the_beat_score_higher_than_nods_off_it():
    motion = head_motion.motion_beats(jnp.asarray(nods(1.0, 25, 6)), 25)
    on, off = jnp.arange(1.0, 5.1, 0.5), jnp.arange(1.25, 5.1, 0.5)
    assert float(head_motion.beat_alignment(on, motion)) > 0.9
    assert float(head_motion.beat_alignment(off, motion)) < 0.01
