"""The config that trains MappingNet for our Motion, with a stand-in for the networks that see pictures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import motion_mapping as config
from jaxtalk.data import head_clips
from jaxtalk.io import weights
from jaxtalk.metrics import mean
from jaxtalk.models import motion_mapping

NETWORK = motion_mapping.Config(coefficients=config.OURS, width=16, layers=1, keypoints=3)


@pytest.fixture(autouse=True)
def seen(monkeypatch):
    """What is seen is a linear function of the expression of the same frame."""
    effect = np.random.default_rng(9).normal(0, 0.1, (52, 9)).astype(np.float32)

    def clip(seed):
        rng = np.random.default_rng(seed)
        steps = np.zeros((40, 52), np.float32)
        steps[:, :3] = rng.normal(0, 0.3, (40, 3)).cumsum(0)  # three of the coefficients move
        still = np.zeros((40, 3), np.float32)
        frames = np.zeros((20, 4, 4, 3), np.uint8)
        return head_clips.HeadClip(str(seed), str(seed), frames, 2 * np.arange(20), steps, still, still + seed)

    def see(chosen):
        points = (chosen.expression[chosen.shown] @ effect).reshape(-1, 3, 3)
        zero = np.zeros((20, 3), np.float32)
        return {"canonical": points * 0, "points": points, "angles": zero}

    monkeypatch.setattr(config, "seer", lambda folder: see)
    monkeypatch.setattr(config.face_vid2vid, "clips", lambda given: ([clip(k) for k in range(12)], [clip(12)]))


def test_windows_are_centred_on_their_pictures_and_end_with_the_clip(tmp_path):
    task = config.Task(config.Config(networks=tmp_path, network=NETWORK))
    (clip, *_), _ = config.face_vid2vid.clips(None)
    middle = NETWORK.window // 2
    first, last = task.learnt["window"][0], task.learnt["window"][19]
    np.testing.assert_array_equal(first[: middle + 1, :52], np.tile(clip.expression[:1], (middle + 1, 1)))
    np.testing.assert_array_equal(last[middle:-1, :52], clip.expression[38:][np.minimum(np.arange(middle), 1)])
    np.testing.assert_allclose(first[:, 55:], 0, atol=1e-6)  # where a head is on the whole is not heard


def test_pairs_are_two_pictures_of_one_clip(tmp_path):
    task = config.Task(config.Config(networks=tmp_path, network=NETWORK, batch=40))
    seen = [
        np.flatnonzero((task.learnt["window"] == window).all((1, 2)))
        for window in task.data()[1]["window"].reshape(80, -1, 58)
    ]
    first, second = np.array([places[0] for places in seen]).reshape(40, 2).T
    assert (first // 20 == second // 20).all() and (first != second).mean() > 0.8 and len(set(first)) == 40


def test_where_a_persons_keypoints_lie_costs_no_movement(tmp_path):
    task = config.Task(config.Config(networks=tmp_path, network=NETWORK, noise=0.0, batch=4))
    state, batch = task.init(jax.random.key(0)), jax.tree.map(jnp.asarray, task.data()[0])
    elsewhere = batch | {"points": batch["points"] + jnp.arange(4.0)[:, None, None, None]}
    loss = jax.jit(lambda batch: task.loss(state.params, {}, batch, jax.random.key(1))[1][1])
    here, there = (mean.values(loss(one)) for one in (batch, elsewhere))
    assert there["movement"] == pytest.approx(here["movement"], rel=1e-3)
    assert there["keypoints"] > here["keypoints"] + 1


@pytest.mark.slow
def test_it_learns_what_is_seen_and_exports_it_beside_the_networks(tmp_path):
    given = config.Config(networks=tmp_path, network=NETWORK, batch=40, rate=1e-2, steps=120, noise=0.0)
    task, experiment = config.Task(given), given.experiment()
    step, batches = jax.jit(experiment.step), experiment.data()
    state = jax.jit(task.init)(jax.random.key(0))
    for i in range(given.steps):
        state, _ = step(state, jax.tree.map(jnp.asarray, batches[i]))
    numbers = task.evaluate(state)
    assert numbers["keypoints"] < 0.6 * numbers["keypoints_of_still"]
    (tmp_path / "run").mkdir()
    task.export(state, tmp_path / "run")
    for place in (tmp_path, tmp_path / "run"):
        stored = weights.load(place / "mapping_58.safetensors")
        assert weights.config(motion_mapping.Config, stored) == NETWORK
