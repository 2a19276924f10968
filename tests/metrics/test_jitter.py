import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.metrics import jitter


def test_acceleration_is_the_mean_over_points_of_each_frame():
    points = np.random.default_rng(0).normal(size=(3, 20, 68, 2)).astype(np.float32)
    expected = np.linalg.norm(np.diff(points, 2, axis=1), axis=-1).mean(-1) * 25**2
    np.testing.assert_allclose(jitter.acceleration(jnp.asarray(points), 25), expected, rtol=1e-5)


def test_acceleration_of_a_circle_is_the_square_of_its_speed_over_its_radius():
    t = jnp.arange(200) / 100
    circle = 3 * jnp.stack([jnp.cos(2 * t), jnp.sin(2 * t)], -1)[:, None]
    np.testing.assert_allclose(jitter.acceleration(circle, 100), np.full(198, 12.0), rtol=0.02)


def test_even_movement_has_none_and_short_clips_nothing_to_say():
    line = jnp.arange(10.0)[:, None, None] * jnp.array([[[1.0, -2.0]]])
    np.testing.assert_allclose(jitter.acceleration(line, 25), np.zeros(8), atol=1e-3)
    for frames in (1, 2):
        assert jitter.acceleration(line[:frames], 25).shape == (0,)
        assert float(jitter.jitter(line[:frames, 0, 0], 25).value()) == 0


def test_one_coordinate_of_one_point_is_jitter():
    track = jnp.asarray(np.random.default_rng(1).normal(size=(4, 30)).astype(np.float32))
    per_frame = jitter.acceleration(track[..., None, None], 25)
    assert float(per_frame.mean()) == pytest.approx(float(jitter.jitter(track, 25).value()), rel=1e-5)
