"""The configs that train ExpNet, at a size that takes seconds."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import expnet, expnet_upper
from jaxtalk.data import clip
from jaxtalk.io import weights
from jaxtalk.train import loop
from jaxtalk.train.step import make_step

SMALL = {"corpus": Path("corpus"), "width": 2, "batch": 8}


@pytest.fixture(scope="module")
def records():
    return {"train": [clip.example(0, 0, i) for i in (0, 1)], "validation": [clip.example(0, 0, 9)]}


@pytest.fixture(autouse=True)
def corpus(records, monkeypatch):
    monkeypatch.setattr(expnet.corpus, "read", lambda folder, split="train": records[split])


@pytest.mark.slow
def test_first_stage_trains_and_writes_weights_for_users(tmp_path):
    experiment = expnet.Config(**SMALL, steps=3).experiment()
    loop.run(experiment, tmp_path)
    stored = weights.load(tmp_path / "expnet.safetensors")
    assert stored.config["width"] == 2 and stored.variables["params"]["mapping"]["kernel"].shape == (32 + 52 + 1, 52)


@pytest.mark.slow
def test_exported_network_adds_the_portrait_to_what_training_predicts():
    task = expnet.Task(expnet.Config(**SMALL))
    state = task.init(jax.random.key(0))
    folded, portrait = task.folded(state.variables), jax.random.uniform(jax.random.key(1), (4, 52))
    window, blink = jax.random.normal(jax.random.key(2), (4, 80, 16)), jnp.full(4, 0.5)
    inside = {"params": state.params["expnet"], "batch_stats": state.stats}
    units, _ = task.network.apply(inside, window, jnp.zeros((4, 52)), blink)
    used, _ = task.network.apply(folded, window, portrait, blink)
    mean, spread = task.scale
    np.testing.assert_allclose(used, units * spread[None] + mean[None] + portrait, atol=1e-5)


@pytest.fixture
def upper(tmp_path):
    first = expnet.Task(expnet.Config(**SMALL))
    state = first.init(jax.random.key(0))
    first.export_variables(first.folded(state.variables), tmp_path)
    return expnet_upper.Task(expnet_upper.Config(**SMALL, start=tmp_path / "expnet.safetensors", dropout=0.0))


def test_upper_stage_starts_where_the_first_one_stopped(upper):
    folded = upper.folded(upper.init(jax.random.key(0)).variables)
    for mine, given in zip(jax.tree.leaves(folded), jax.tree.leaves(upper.start), strict=True):
        np.testing.assert_allclose(mine, given, atol=1e-6)


def test_upper_layers_on_features_are_the_whole_network_on_sound(upper):
    """The features are what the fixed layers make of the very windows, to half precision."""
    source = upper.sources[0][0]
    part = upper.features(source, variations=1, every=10)
    assert part["features"].shape[:2] == (2, -(-len(source) // 10))
    windows = jnp.stack([source.frame(i)["window"] for i in range(0, len(source), 10)])
    blink = jnp.zeros(len(windows))
    expected, _ = upper.network.apply(upper.start, windows, jnp.zeros((len(windows), 52)), blink)
    state = upper.init(jax.random.key(0))
    features = jnp.asarray(part["features"][0], jnp.float32)
    own = {"params": state.params["upper"], "batch_stats": state.stats}
    units, _ = upper.upper.apply(own, features, blink, train=False)
    mean, spread = upper.scale
    np.testing.assert_allclose(units * spread[None] + mean[None], expected, atol=2e-3)
    assert not np.array_equal(part["features"][0], part["features"][1])


def test_upper_stage_learns_what_it_sees(upper):
    part = upper.features(upper.sources[0][0], variations=0, every=4)
    step = jax.jit(make_step(upper.loss, upper.optimizer, average=0.9))
    batch = {key: jnp.asarray(values[0]) for key, values in part.items()}
    state, losses = upper.init(jax.random.key(0)), []
    for _ in range(60):
        state, metrics = step(state, batch)
        losses.append(float(metrics["opening"].value()))
    assert np.mean(losses[-5:]) < 0.7 * losses[0]


def test_evaluation_knows_perfect_and_still_faces(upper, monkeypatch):
    truth = {r.name: r.expression for r in upper.held_out}
    monkeypatch.setattr(upper, "move", lambda variables, recording: truth[recording.name])
    perfect = expnet.evaluate(upper, None)
    # What is left is the margin of `mouth.meet`, by which talk brings lips closer.
    assert perfect["closures_kept"] == 1 and 0.01 < perfect["lip_error_over_still_face"] < 0.1
    assert 0.5 < perfect["loudness_error_over_still_face"] < 1.1
    still = upper.common.expression[0]
    monkeypatch.setattr(upper, "move", lambda variables, recording: np.tile(still, (len(recording.expression), 1)))
    assert expnet.evaluate(upper, None)["lip_error_over_still_face"] == pytest.approx(1.0, abs=0.05)
