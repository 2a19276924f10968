"""How far motion is from a person's, and how fast it moves."""

import jax.numpy as jnp
import numpy as np

from jaxtalk.metrics import motion_domain

RNG = np.random.default_rng(0)
PERSON = RNG.normal(size=(400, 9)) @ RNG.normal(size=(9, 9))


def test_the_persons_own_frames_are_at_no_distance():
    for value in motion_domain.distance(PERSON[::-1], PERSON, components=5):
        np.testing.assert_allclose(value, 0.0, atol=1e-6)


def test_each_statistic_sees_what_it_is_for():
    shifted = motion_domain.distance(PERSON + 2.0, PERSON, components=9)
    np.testing.assert_allclose([shifted.mean, shifted.spread, shifted.frechet], [2.0, 0.0, 36.0], atol=1e-6)
    mean = PERSON.mean(0)
    halved = motion_domain.distance(mean + 0.5 * (PERSON - mean), PERSON, components=9)
    np.testing.assert_allclose(halved.mean, 0.0, atol=1e-9)
    np.testing.assert_allclose(halved.spread, 0.5 * np.sqrt(np.mean(PERSON.std(0) ** 2)), rtol=1e-6)
    variance = np.trace(np.cov(PERSON.T))
    np.testing.assert_allclose(halved.frechet, 0.25 * variance, rtol=1e-6)
    assert shifted.nearest > 0.5 and halved.nearest > 0


def test_nearest_is_the_distance_per_number():
    person = np.zeros((2, 4))
    np.testing.assert_allclose(motion_domain.distance(np.full((3, 4), 3.0), person, components=1).nearest, 3.0)


def test_a_nod_is_found_in_its_band():
    seconds = np.arange(500) / 25
    track = np.stack([np.sin(2 * np.pi * 1.5 * seconds), 0.1 * np.sin(2 * np.pi * 6 * seconds)], -1)
    shares = motion_domain.speed_spectrum(jnp.asarray(track, jnp.float32), 25.0, (0.0, 1.0, 2.0, 12.5))
    np.testing.assert_allclose(shares, [0.0, 1 / 1.01, 0.01 / 1.01], atol=2e-3)
