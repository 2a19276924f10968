"""The config that trains ExpNet as SadTalker does, at a size that takes seconds."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import expnet, expnet_distill, expnet_upper
from jaxtalk.audio import mel, speech_windows
from jaxtalk.data import clip, clips
from jaxtalk.face.arkit import NAMES
from jaxtalk.io import weights
from jaxtalk.models import audio2exp
from jaxtalk.train import loop

LIDS = expnet_distill.LIDS
RECORDS = {"train": (0, 1), "validation": (9,)}


def silent(points, batch):
    """A reader that likes lips to be still."""
    return jnp.abs(points - points.mean(1, keepdims=True)).mean((1, 2, 3))


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A run of the corpus alone, from random weights."""
    folder = tmp_path_factory.mktemp("start")
    network = audio2exp.ExpNet(audio2exp.Config(coefficients=len(NAMES), width=1))
    windows, face = jnp.zeros((1, 80, 16)), jnp.zeros((1, len(NAMES)))
    variables = jax.jit(lambda rng: network.init(rng, windows, face, jnp.zeros(1)))(jax.random.key(0))
    values = weights.config_values(network.config)
    weights.save(
        folder / "expnet.safetensors",
        weights.Weights(variables=variables, name="expnet", config=values, licence="none", note=""),
        half=True,
    )
    return expnet_distill.Config(
        corpus=Path("corpus"), start=folder / "expnet.safetensors", width=1, first=11, batch=8, steps=4, shares=(1.0,)
    )


@pytest.fixture(scope="module")
def records():
    return {split: [clip.example(0, 0, i) for i in indices] for split, indices in RECORDS.items()}


@pytest.fixture(scope="module")
def task(config, records):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expnet.corpus, "read", lambda folder, split="train": records[split])
        yield expnet_distill.Task(config, reader=silent)


def a_batch(count=4):
    drawn = jax.random.uniform(jax.random.key(3), (count, expnet_distill.FRAMES, len(NAMES)))
    return {"expression": drawn, "known": jnp.ones((count, len(NAMES)))}


def test_lips_only_leaves_the_portrait_its_face(task):
    batch = a_batch()
    portrait, blink = task.asked(batch, jax.random.key(1))
    target, known = task.target(batch, portrait, blink)
    lips, others = clips.MOUTH, ~clips.MOUTH
    others[LIDS] = False
    np.testing.assert_allclose(target[..., others], portrait[..., others])
    np.testing.assert_allclose(target[..., lips], batch["expression"][..., lips] + portrait[..., lips], rtol=1e-6)
    np.testing.assert_array_equal(target[..., LIDS[0]], blink)
    assert known.all() and (np.asarray(portrait[:, 0]) == np.asarray(portrait[:, -1])).all()


def test_what_is_not_known_of_the_lips_teaches_nothing(task):
    batch = a_batch() | {"known": jnp.zeros((4, len(NAMES)))}
    _, known = task.target(batch, *task.asked(batch, jax.random.key(1)))
    assert not known[..., clips.MOUTH].any() and known[..., ~clips.MOUTH].all()


def test_all_coefficients_are_the_recordings(task):
    other = expnet_distill.Task.__new__(expnet_distill.Task)
    other.config = dataclasses.replace(task.config, lip_only=False)
    batch = a_batch()
    portrait, blink = other.asked(batch, jax.random.key(1))
    target, _ = other.target(batch, portrait, blink)
    np.testing.assert_allclose(target, batch["expression"] + portrait, rtol=1e-6)
    np.testing.assert_array_equal(blink, batch["expression"][..., LIDS[0]])


def test_losses_are_least_at_what_is_wanted(task):
    batch = a_batch()
    portrait, blink = task.asked(batch, jax.random.key(1))
    target, known = task.target(batch, portrait, blink)
    alike, other = task.terms(target, target, known, blink), task.terms(target + 0.1, target, known, blink)
    assert float(alike["distil"].max()) == float(alike["points"].max()) == 0.0
    assert float(other["distil"].min()) > 0 and float(other["points"].min()) > 0
    still = jnp.zeros_like(target).at[..., LIDS].set(blink[..., None])
    np.testing.assert_allclose(task.terms(still, target, known, blink)["eyes"], 0.0, atol=1e-6)


def test_teacher_is_any_function_of_a_recording(config, records, monkeypatch):
    monkeypatch.setattr(expnet.corpus, "read", lambda folder, split="train": records[split])
    wide = expnet_distill.Task(config, teacher=lambda r: 2 * r.expression, reader=silent)
    for taught, said in zip(wide.groups[0], wide.synthetic, strict=True):
        np.testing.assert_allclose(taught.expression, 2 * said.expression)


def test_windows_of_a_stretch_are_those_of_its_frames():
    sound = np.random.default_rng(0).normal(size=(2, expnet_distill.COLUMNS, 80)).astype(np.float32)
    heard = expnet_distill._heard(jax.random.key(0), sound, varied=False)
    assert heard.shape == (2 * expnet_distill.FRAMES, 80, 16)
    seconds = (expnet_distill.MARGIN + 3 * expnet_distill.PER_FRAME) / mel.COLUMNS_PER_SECOND
    columns = speech_windows.columns(np.array([seconds]))[0]
    np.testing.assert_allclose(heard[expnet_distill.FRAMES + 3], sound[1, columns].T)


def test_starts_where_the_network_before_it_stopped(task):
    folded = task.folded(task.init(jax.random.key(0)).variables)
    for mine, given in zip(jax.tree.leaves(folded), jax.tree.leaves(task.start), strict=True):
        np.testing.assert_allclose(mine, given, atol=1e-4)


@pytest.mark.slow
def test_interrupted_training_ends_as_the_uninterrupted_one(task, tmp_path):
    part = task.features(task.gather(task.groups[0]), 0, every=3)

    def experiment(steps):
        return expnet_distill.Experiment(
            name="distill",
            init=task.init,
            step=task.step(),
            data=lambda: expnet_upper.stream([part], [1.0], task.config.batch, 0),
            steps=steps,
            export=task.export,
            save_every=2,
        )

    whole = loop.run(experiment(4), tmp_path / "whole")
    loop.run(experiment(2), tmp_path / "parts")
    parts = loop.run(experiment(4), tmp_path / "parts")
    for mine, given in zip(jax.tree.leaves(parts.params), jax.tree.leaves(whole.params), strict=True):
        np.testing.assert_array_equal(mine, given)
    assert (tmp_path / "parts/expnet.safetensors").is_file()
