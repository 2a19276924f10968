"""What each frame of an avatar is drawn from: lids, and the head's path."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.face import builtin
from jaxtalk.systems import avatar_moments, listen
from jaxtalk.systems.avatar_moments import LIDS
from jaxtalk.systems.avatar_options import RenderOptions
from jaxtalk.systems.avatar_store import Person

FRAMES = 200
THERE = avatar_moments.forth_and_back(FRAMES, 300)
SILENCE = np.zeros(4800, np.float32)


@pytest.fixture(scope="module")
def person() -> Person:
    """Somebody who nods slowly, shakes a little, and blinks twice."""
    rng, time = np.random.default_rng(0), np.linspace(0, 20, FRAMES)
    shut = np.exp(-np.square((np.arange(FRAMES)[:, None] - [40, 130]) / 2.0)).sum(-1).astype(np.float32)
    expression = rng.uniform(0, 0.1, (FRAMES, 52)).astype(np.float32)
    expression[:, LIDS] = 0.1 + 0.7 * shut[:, None]
    sway = np.stack([np.sin(time + k) for k in range(6)], -1) * [0.04, 0.05, 0.02, 0.004, 0.002, 0.003]
    pose = (sway + rng.normal(0, 0.001, sway.shape) + [0.1, 0, 0, 0.01, 0, 0]).astype(np.float32)
    return Person(
        camera=np.array([60, 16, 16, 1], np.float32),
        identity=np.zeros(builtin.model().identity.shape[0], np.float32),
        expression=expression,
        angles=pose[:, :3],
        translation=pose[:, 3:],
        sway=_leaning(pose),
        eyes=0.95 - 0.9 * shut,
        mean=np.zeros((68, 3), np.float32),
        spread=np.ones((68, 3), np.float32),
        reach=0.0,
        background=np.zeros((32, 32, 3), np.uint8),
        most=32,
    )


def _leaning(pose: np.ndarray) -> np.ndarray:
    """A torso that goes a little with the head."""
    moved = np.zeros((len(pose), 2, 3), np.float32)
    moved[:, 0, 2], moved[:, 1, 2] = 0.5 * pose[:, 1] + pose[:, 3], 0.2 * pose[:, 0]
    return np.eye(2, 3, dtype=np.float32) + moved


def options(tmp_path, **chosen) -> RenderOptions:
    return RenderOptions(person=tmp_path, speech=tmp_path, **chosen)


def swaying(frames=300):
    """PoseVAE's way: relative to the first frame."""
    time = np.arange(frames) / 25
    pose = np.stack([np.sin((1 + 0.2 * k) * time + k) for k in range(6)], -1) * avatar_moments.USUAL_SPREAD * 1.4
    pose = jnp.asarray(pose - pose[:1], jnp.float32)
    return pose[:, :3], pose[:, 3:]


def joined(head: avatar_moments.Head):
    return np.concatenate(head, axis=1)


def test_eyes_and_lids_of_the_video_are_left_as_they_are(person, tmp_path):
    eyes, lids = avatar_moments.blinking(person, THERE, options(tmp_path))
    np.testing.assert_array_equal(eyes, person.eyes[THERE])
    np.testing.assert_array_equal(lids, person.expression[THERE][:, LIDS])


def test_without_blinks_eyes_and_lids_stay_open(person, tmp_path):
    eyes, lids = avatar_moments.blinking(person, THERE, options(tmp_path, blink="none"))
    assert np.ptp(eyes) == 0 and eyes[0] > 0.9 and np.ptp(lids) == 0 and lids.max() < 0.15


def test_generated_blinks_shut_eyes_and_lids_as_far_as_the_person_does(person, tmp_path):
    chosen = options(tmp_path, blink="generated")
    eyes, lids = avatar_moments.blinking(person, THERE, chosen)
    assert person.eyes.min() - 1e-6 <= eyes.min() < 0.3 and 0.9 < np.median(eyes)
    assert lids.max() <= person.expression[:, LIDS].max() + 1e-6 and lids[eyes.argmin()].min() > 0.5
    np.testing.assert_array_equal(eyes, avatar_moments.blinking(person, THERE, chosen)[0])
    assert (eyes != avatar_moments.blinking(person, THERE, options(tmp_path, blink="generated", seed=1))[0]).any()


def test_a_generated_head_starts_in_the_usual_pose_and_keeps_to_what_the_person_does(person):
    angles, translation = swaying()
    own = np.concatenate([person.angles, person.translation], axis=1)
    made = joined(avatar_moments.generated(person, angles, translation))
    np.testing.assert_allclose(made[0], own.mean(0), atol=1e-6)
    assert (np.abs(made - own.mean(0)) <= avatar_moments.REACH * own.std(0) + 1e-6).all()
    wild = joined(avatar_moments.generated(person, 20 * angles, 20 * translation))
    assert (np.abs(wild - own.mean(0)) <= avatar_moments.REACH * own.std(0) + 1e-6).all()
    assert (made[50:].std(0) < 1.5 * own.std(0)).all() and (made[50:].std(0) > 0.1 * own.std(0)).all()
    assert np.abs(made[100:].mean(0) - own.mean(0)).max() < own.std(0).max()


def test_only_a_generated_head_asks_the_network_and_the_seed(person, tmp_path, monkeypatch):
    asked = []

    def head(spectrum, fps, frames, *, style, seed):
        asked.append(seed)
        return swaying(frames)

    monkeypatch.setattr(listen, "head", head)
    one = avatar_moments.moving(person, THERE, SILENCE, options(tmp_path, seed=1))
    two = avatar_moments.moving(person, THERE, SILENCE, options(tmp_path, seed=2))
    np.testing.assert_array_equal(joined(one), joined(two))
    assert not asked
    avatar_moments.moving(person, THERE, SILENCE, options(tmp_path, seed=3, pose="generated"))
    assert asked == [3]


def test_smoothing_takes_out_shaking_and_none_leaves_the_path(person, tmp_path):
    paths = {
        s: joined(avatar_moments.moving(person, THERE, SILENCE, options(tmp_path, smooth=s))) for s in (0.0, 0.08, 1.0)
    }
    np.testing.assert_array_equal(paths[0.0], np.concatenate([person.angles, person.translation], axis=1)[THERE])
    shake = {s: np.abs(np.diff(path, 2, axis=0)).mean() for s, path in paths.items()}
    assert shake[1.0] < shake[0.08] < 0.3 * shake[0.0]
    assert np.abs(paths[0.08] - paths[0.0]).max() < 0.01
    still = joined(avatar_moments.moving(person, THERE, SILENCE, options(tmp_path, pose="still")))
    assert np.ptp(still, axis=0).max() < 1e-6
    short = avatar_moments.moving(person, THERE[:3], SILENCE, options(tmp_path, smooth=1.0))  # shorter than the weights
    assert joined(short).shape == (3, 6) and np.isfinite(joined(short)).all()


def test_the_torso_moves_as_in_the_video_or_as_it_would_with_such_a_head(person, tmp_path):
    head = avatar_moments.moving(person, THERE, SILENCE, options(tmp_path, smooth=0.0))
    shown = avatar_moments.swaying(person, THERE, head, options(tmp_path, smooth=0.0))
    np.testing.assert_array_equal(shown, person.sway[THERE])
    foretold = avatar_moments.swaying(person, THERE, head, options(tmp_path, pose="generated"))
    middle = person.sway.mean(0)
    assert np.abs(foretold - shown).max() < 0.15 * np.abs(shown - middle).max()
