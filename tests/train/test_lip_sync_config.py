"""The config that trains LipSyncNet, at a size that takes seconds."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import expnet
from configs import lip_sync as config
from jaxtalk.data import clip, lip_clips
from jaxtalk.io import weights
from jaxtalk.models import lip_sync_net, lip_tcn

NETWORK = lip_sync_net.Config(
    sound_width=8, sound_dilations=(2,), lips_width=8, lips_dilations=(1,), embedding=8, dropout=0.0
)
SMALL = {"corpus": Path("corpus"), "network": NETWORK, "batch": 8, "dropout": 0.0}


@pytest.fixture(scope="module")
def records():
    return {"train": [clip.example(0, 0, i) for i in (0, 1)], "validation": [clip.example(0, 0, 9)]}


@pytest.fixture(autouse=True)
def corpus(monkeypatch, records):
    monkeypatch.setattr(config.corpus, "read", lambda folder, split="train": records[split])
    return records


@pytest.fixture
def people(monkeypatch, corpus):
    """Sentences of the corpus pass for people."""
    known = lip_clips.synthetic(corpus["train"][0])
    monkeypatch.setattr(config.lip_clips, "tracked", lambda sound, track: known)
    monkeypatch.setattr(config.lip_clips, "animated", lambda sound, track: known)
    monkeypatch.setattr(expnet, "tracked", lambda folder, name: expnet.clips.synthetic(corpus["train"][0]))
    return {"facegood": Path("facegood"), "clips": Path("clips"), "names": ("11", "12", "13")}


def test_the_second_stage_starts_where_the_first_stopped(tmp_path, people):
    first = config.Config(**SMALL, **people)
    task = config.Task(first)
    state = task.init(jax.random.key(0))
    first.experiment().export(state, tmp_path)
    stored = weights.load(tmp_path / "lip_sync.safetensors")
    assert stored.name == "lip-sync-jaxtalk" and stored.config["embedding"] == 8
    task.config = config.Config(**SMALL, start=tmp_path / "lip_sync.safetensors")
    begun = task.init(jax.random.key(1)).params["net"]
    for mine, given in zip(jax.tree.leaves(begun), jax.tree.leaves(state.params["net"]), strict=True):
        np.testing.assert_allclose(mine, given, atol=1e-3)  # half precision


def test_a_clip_left_out_teaches_nothing(people):
    task = config.Task(config.Config(**SMALL, **people))
    (_, _, (kept, share)), (_, _, (whole, _)) = (task.sources(without) for without in (frozenset({1}), frozenset()))
    assert len(kept._clips) == 2 and len(whole._clips) == 3 and share == config.Task.shares["people"]


def test_the_ear_is_that_of_lip_tcn(tmp_path):
    ear = lip_tcn.Config(phonemes=5, width=8, dilations=(1,))
    params = lip_tcn.LipTCN(ear).init(jax.random.key(0), jnp.zeros((1, 32, 80)))["params"]
    stored = weights.Weights(variables={"params": params}, name="lip_tcn", config={}, licence="", note="")
    weights.save(tmp_path / "ear.safetensors", stored)
    task = config.Task(config.Config(**SMALL, ear=tmp_path / "ear.safetensors"))
    tower = task.init(jax.random.key(1)).params["net"]["sound_tower"]
    np.testing.assert_array_equal(tower["first"]["kernel"], params["first"]["kernel"])
    np.testing.assert_array_equal(tower["block_0"]["conv"]["kernel"], params["block_0"]["conv"]["kernel"])


@pytest.mark.slow
def test_a_step_lowers_the_surprise_at_a_sentence():
    task = config.Task(config.Config(**SMALL, rate=1e-2, steps=30))
    step, batches = jax.jit(task.step()), config.lip_clips.stream(task.sources(), 8, 0)
    state, surprise = task.init(jax.random.key(0)), []
    for i in range(30):
        state, metrics = step(state, batches[i])
        surprise.append(float(metrics["surprise_5"].value()))
    assert np.mean(surprise[-8:]) < np.mean(surprise[:3]) - 0.15
    means = task.evaluate(state)
    assert set(means) == {"cosine_0", "cosine_5", "cosine_10"} and all(-1 <= m <= 1 for m in means.values())
