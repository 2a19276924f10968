"""Counting blinks in made sequences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.metrics.blinks import blinks

FPS = 25


def eyes(frames, *shut):
    """Eye aspect ratio 0.3, and 0.1 from frame a up to, not including, b."""
    opening = np.full(frames, 0.3, np.float32)
    for a, b in shut:
        opening[a:b] = 0.1
    return opening


def test_counts_blinks_their_rate_and_their_mean_duration():
    seen = blinks(jnp.asarray(eyes(750, (50, 54), (200, 206), (400, 405))), FPS)  # 30 s
    assert float(seen.count) == 3 and float(seen.whole) == 3
    assert float(seen.rate().value()) == pytest.approx(6)
    assert float(seen.duration().value()) == pytest.approx(5 / FPS)


def test_too_short_is_no_blink_whatever_the_frame_rate():
    opening = jnp.asarray(eyes(100, (10, 11), (30, 32), (60, 63)))
    assert float(blinks(opening, 25).count) == 2
    assert float(blinks(opening, 60).count) == 0  # 50 ms
    assert float(blinks(opening, 25, shortest=0.12).count) == 1


def test_hysteresis_keeps_a_trembling_lid_in_one_blink():
    opening = eyes(100, (20, 30))
    opening[22], opening[26] = 0.22, 0.24  # between the thresholds
    assert float(blinks(jnp.asarray(opening), FPS).count) == 1
    opening[24] = 0.26
    assert float(blinks(jnp.asarray(opening), FPS).count) == 2
    assert float(blinks(jnp.full(100, 0.22), FPS).count) == 0  # never fell


def test_at_the_edges_a_blink_belongs_to_where_it_begins():
    seen = blinks(jnp.asarray(eyes(100, (0, 4), (50, 54), (97, 100))), FPS)
    assert float(seen.count) == 2 and float(seen.whole) == 1
    assert float(seen.duration().value()) == pytest.approx(4 / FPS)
    seen = blinks(jnp.asarray(eyes(40, (0, 40))), FPS)
    assert float(seen.count) == 0 and float(seen.duration().value()) == 0


def test_counts_of_pieces_add_up():
    rng = np.random.default_rng(0)
    starts = np.sort(rng.choice(np.arange(0, 2000, 20), 30, replace=False)) + rng.integers(1, 9, 30)
    whole = eyes(2000, *((s, s + n) for s, n in zip(starts, rng.integers(2, 9, 30), strict=True)))
    cut = int(starts[11]) + 2
    a, b = (blinks(jnp.asarray(part), FPS) for part in (whole[:cut], whole[cut:]))
    all_ = blinks(jnp.asarray(whole), FPS)
    assert float(all_.count) == 30 == float(a.count + b.count)
    np.testing.assert_allclose(a.rate().merge(b.rate()).value(), all_.rate().value(), rtol=1e-5)


def test_frames_where_no_face_was_found_are_edges():
    known = np.ones(100, bool)
    known[20:40] = False
    opening = np.where(known, eyes(100, (17, 20), (40, 44), (60, 64), (70, 75)), 0.0)
    seen = blinks(jnp.asarray(opening), FPS, jnp.asarray(known))
    assert float(seen.count) == 3 and float(seen.whole) == 2
    assert float(seen.minutes) == pytest.approx(80 / FPS / 60)
    assert float(seen.duration().value()) == pytest.approx(4.5 / FPS)
    nothing = blinks(jnp.asarray(opening), FPS, jnp.zeros(100, bool))
    assert float(nothing.count) == 0 and float(nothing.rate().value()) == 0


def test_clips_of_a_batch_are_apart_and_closures_can_be_given():
    opening = jnp.asarray(np.stack([eyes(100, (10, 14)), eyes(100, (96, 100)), eyes(100, (0, 3), (40, 44), (60, 64))]))
    seen = jax.jit(lambda x: blinks(x, FPS))(opening)
    np.testing.assert_array_equal(seen.count, [1, 1, 2])
    closure = (0.3 - opening) / 0.2  # 0 open, 1 shut
    near = jnp.float32(0.4)  # thresholds may be computed
    np.testing.assert_array_equal(blinks(1 - closure, FPS, close=near, reopen=0.6).count, [1, 1, 2])
