"""The configs that train LipTCN, at a size that takes seconds."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import expnet, lip_tcn, lip_tcn_people
from jaxtalk.data import clip
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.train import loop

SMALL = {"corpus": Path("corpus"), "width": 8, "batch": 8}
RECORDS = {"train": (0, 1), "validation": (9,)}


@pytest.fixture(scope="module")
def records():
    return {split: [clip.example(0, 0, i) for i in indices] for split, indices in RECORDS.items()}


@pytest.fixture(autouse=True)
def corpus(records, monkeypatch):
    monkeypatch.setattr(expnet.corpus, "read", lambda folder, split="train": records[split])


@pytest.fixture
def people(monkeypatch):
    """Sentences of the corpus pass for people: three clips, and FACEGOOD's."""
    monkeypatch.setattr(expnet, "tracked", lambda folder, name: expnet.clips.synthetic(clip.example(0, 0, int(name))))
    monkeypatch.setattr(expnet, "_facegood", lambda folder, name: expnet.clips.synthetic(clip.example(0, 0, 5)))
    return {"facegood": Path("facegood"), "clips": Path("clips"), "names": ("11", "12", "13")}


@pytest.mark.slow
def test_both_stages_train_and_the_second_starts_where_the_first_stopped(tmp_path, people):
    experiment = lip_tcn.Config(**SMALL, steps=2).experiment()
    loop.run(experiment, tmp_path / "first")
    start = tmp_path / "first/lip_tcn.safetensors"
    stored = weights.load(start)
    assert stored.config["width"] == 8 and stored.variables["params"]["expression"]["kernel"].shape == (8, 52)
    config = lip_tcn_people.Config(**SMALL, **people, start=start, steps=1)
    task = lip_tcn_people.People(config)
    for mine, given in zip(
        jax.tree.leaves(task.folded(task.init(jax.random.key(0)).variables)),
        jax.tree.leaves(stored.variables),
        strict=True,
    ):
        np.testing.assert_allclose(mine, given, atol=1e-5)
    loop.run(config.experiment(), tmp_path / "second")
    assert (tmp_path / "second/lip_tcn.safetensors").is_file()


def test_exported_network_gives_coefficients_where_training_gives_units():
    task = lip_tcn.Task(lip_tcn.Config(**SMALL))
    state, sound = task.init(jax.random.key(0)), jax.random.normal(jax.random.key(1), (1, 64, 80))
    units = task.network.apply({"params": state.params}, sound)[0]
    used = task.network.apply(task.folded(state.variables), sound)[0]
    mean, spread = task.scale
    np.testing.assert_allclose(used, units * spread[None, None] + mean[None, None], atol=1e-5)


@pytest.mark.slow
def test_learns_a_sentence():
    task = lip_tcn.Task(lip_tcn.Config(**SMALL | {"width": 32}, rate=1e-2, steps=60, dropout=0.0))
    experiment_step = jax.jit(lip_tcn.make_step(task.loss, task.optimizer, average=0.9))
    batches = lip_tcn.speech_sequences.stream(task.sources, 8, 0)
    state, losses = task.init(jax.random.key(0)), []
    for i in range(60):
        state, metrics = experiment_step(state, jax.tree.map(jnp.asarray, batches[i]))
        losses.append(float(metrics["opening"].value()))
    assert np.mean(losses[-10:]) < 0.75 * np.mean(losses[:3])


def test_a_clip_left_out_teaches_nothing(people, tmp_path):
    first = lip_tcn.Task(lip_tcn.Config(**SMALL))
    first.export(first.init(jax.random.key(0)), tmp_path)
    task = lip_tcn_people.People(lip_tcn_people.Config(**SMALL, **people, start=tmp_path / "lip_tcn.safetensors"))
    (kept, _), (whole, _) = (task.all_sources(without)[2] for without in (frozenset({1}), frozenset()))
    assert len(kept._mel) == 2 and len(whole._mel) == 3
    np.testing.assert_array_equal(kept._mel[1], whole._mel[2])


def test_people_are_needed_to_learn_people(tmp_path):
    with pytest.raises(InputError, match="--facegood"):
        lip_tcn_people.Config(**SMALL).experiment()
