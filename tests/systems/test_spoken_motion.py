"""Speech to a person's points and head, with small networks."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.data import talking_motion
from jaxtalk.errors import InputError
from jaxtalk.models import audio2motion, motion_postnet, pose_wavenet
from jaxtalk.systems import spoken_motion
from jaxtalk.systems.spoken_motion import Known, Manner

RNG = np.random.default_rng(0)
SOUND = RNG.normal(size=(80, 5)).astype(np.float32)
PERSON = Known(
    neutral=RNG.normal(0, 0.05, (68, 3)).astype(np.float32),
    points=RNG.normal(0, 0.05, (60, 68, 3)).astype(np.float32),
)


@pytest.fixture(scope="module")
def talker():
    config = audio2motion.Config(
        features=5, latent=4, width=8, encoder_layers=1, decoder_layers=1, condition=6, flow_width=6, flow_layers=1,
        couplings=2,
    )  # fmt: skip
    network = audio2motion.Audio2Motion(config)
    variables = network.init(jax.random.key(0), jnp.zeros((1, 8, 204)), *given(8), jnp.zeros((1, 2, 4)))
    return spoken_motion.Audio2Motion(network, variables)


def given(frames):
    return jnp.zeros((1, 2 * frames, 5)), jnp.ones((1, frames))


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(spoken_motion, "_LENGTH", 16)


def test_without_temperature_there_is_one_motion(talker):
    still = [spoken_motion.generate(talker, SOUND, seed=seed) for seed in (0, 1)]
    lively = [spoken_motion.generate(talker, SOUND, temperature=1.0, seed=seed) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(*still)
    np.testing.assert_array_equal(*lively[:2])
    assert still[0].shape == (40, 204) and np.abs(lively[0] - still[0]).max() > 1e-3
    assert np.abs(lively[0] - lively[2]).max() > 1e-3


def test_what_clips_are_filled_up_with_changes_nothing(talker, monkeypatch):
    usual = spoken_motion.generate(talker, SOUND)
    monkeypatch.setattr(spoken_motion, "_LENGTH", 20)
    np.testing.assert_allclose(spoken_motion.generate(talker, SOUND), usual, atol=1e-5)


def test_an_ear_of_another_width_is_refused(talker):
    with pytest.raises(InputError, match="rows of 5 numbers, not of 3"):
        spoken_motion.generate(talker, SOUND[:, :3])


def test_the_postnet_corrects(talker):
    network = motion_postnet.MotionPostNet(motion_postnet.Config(width=4))
    variables = network.init(jax.random.key(1), jnp.zeros((1, 8, 204)), jnp.ones((1, 8)))
    postnet = spoken_motion.PostNet(network, variables)
    assert np.abs(spoken_motion.generate(talker, SOUND, postnet) - spoken_motion.generate(talker, SOUND)).max() > 1e-4


def test_points_are_neutral_points_and_motion_where_nothing_is_held_back(talker):
    free = functools.partial(Manner, projected=0.0, limit=1e6, smooth=0.0)
    motion = talking_motion.UNIT * spoken_motion.generate(talker, SOUND).reshape(-1, 68, 3)
    for amount in (0.0, 1.0, 2.0):
        found = spoken_motion.points(talker, SOUND, PERSON, manner=free(amount=amount))
        np.testing.assert_allclose(found, PERSON.neutral + amount * motion, atol=1e-6)


def test_points_are_kept_near_the_persons_own(talker):
    loud = spoken_motion.points(talker, SOUND, PERSON, manner=Manner(amount=1000.0))
    away = np.abs(np.asarray(loud) - PERSON.points.mean(0)) / PERSON.points.std(0)
    assert loud.shape == (40, 68, 3) and away.max() <= 2.5 + 1e-3
    wholly = Manner(projected=1.0, limit=1e6, smooth=0.0)
    drawn = np.asarray(spoken_motion.points(talker, SOUND, PERSON, manner=wholly)).reshape(40, -1)
    seen = PERSON.points.reshape(60, -1)
    middle = seen.mean(0)
    axes = np.linalg.svd(seen - middle, full_matrices=False)[2][:59]
    np.testing.assert_allclose((drawn - middle) @ axes.T @ axes, drawn - middle, atol=1e-4)  # made of the person's


def test_the_opening_is_that_of_the_inner_lips():
    motion = np.zeros((2, 68, 3), np.float32)
    motion[1, [61, 62, 63], 1], motion[1, [65, 66, 67], 1] = 0.25, -0.5
    np.testing.assert_allclose(spoken_motion.opening(motion.reshape(2, -1)), [0.0, 0.75])


def test_a_head_begins_at_the_mean_pose_and_is_smoothed():
    network = pose_wavenet.PoseWaveNet(pose_wavenet.Config(width=8, hearing=8, dilations=(1, 2)))
    variables = network.init(jax.random.key(0), jnp.zeros((1, 2, 10)), jnp.zeros((1, 2, 12)))
    mover = spoken_motion.Audio2Pose(network, variables)
    raw, smooth = (spoken_motion.pose(mover, SOUND, scale=1.0, smooth=sigma) for sigma in (0.0, 2.0))
    assert raw.shape == (40, 6) and np.diff(smooth, axis=0).std() < 0.7 * np.diff(raw, axis=0).std()
    np.testing.assert_array_equal(raw, spoken_motion.pose(mover, SOUND, scale=1.0, smooth=0.0))
    assert np.abs(raw - spoken_motion.pose(mover, SOUND, scale=1.0, smooth=0.0, seed=1)).max() > 1e-4
