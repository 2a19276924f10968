"""The config that trains the 2003 FAP system: at a size that takes seconds, and (slow) as it is reported."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import fap
from jaxtalk.data import clip
from jaxtalk.io import weights
from jaxtalk.models import fap_perceptron, isodata
from jaxtalk.train import loop

FEW = isodata.Config(expected=6, minimum=5, split=20.0, merge=60.0, iterations=8)


def five_seconds(index):
    whole = clip.example(0, 0, index)
    return whole | {"speech": whole["speech"][:80000], "expression": whole["expression"][:125]}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    records = {"train": [five_seconds(0), five_seconds(1)], "validation": [five_seconds(9)]}
    folder = tmp_path_factory.mktemp("fap")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fap.corpus, "read", lambda _, split: records[split])
        experiment = fap.Config(corpus=Path("corpus"), patterns=FEW, steps=20, batch=32).experiment()
        return experiment, loop.run(experiment, folder), folder


@pytest.mark.slow
def test_users_get_perceptron_and_patterns(trained):
    _, state, folder = trained
    stored = weights.load(folder / "fap.safetensors")
    config = fap_perceptron.Config(**stored.config)
    centres = stored.variables["patterns"]["centres"]
    assert config.code == "softmax" and 3 <= config.patterns <= 12 and centres.shape == (config.patterns, 68)
    moved = np.flatnonzero(np.abs(centres).max(0) > 0)
    assert set(moved) <= set(fap.fap_mouth.SPOKEN) and len(moved) > 15
    network = fap_perceptron.FapPerceptron(config)
    windows = jnp.ones((4, 6, 18))
    np.testing.assert_allclose(
        network.apply({"params": stored.variables["params"]}, windows),
        network.apply(jax.tree.map(lambda x: x.astype(jnp.float16).astype(jnp.float32), state.variables), windows),
        atol=1e-6,
    )


@pytest.mark.slow
def test_evaluation_reports_closed_and_open_set(trained):
    experiment, state, _ = trained
    numbers = experiment.evaluate(state)
    for set_ in ("closed", "open"):
        pattern, spread = numbers[f"{set_}/corpus/patterns/error"], numbers[f"{set_}/corpus/spread"]
        assert 0 < pattern < spread  # patterns lose less than everything
        assert pattern <= numbers[f"{set_}/corpus/likeliest/error"]  # no perceptron errs less than the nearest pattern
    assert numbers["closed/corpus/likeliest smooth/jitter"] <= numbers["closed/corpus/likeliest/jitter"]


@pytest.mark.slow
def test_lips_follow_real_speech_of_an_open_set(media, tmp_path):
    experiment = fap.Config(facegood=media / "facegood").experiment()
    numbers = experiment.evaluate(loop.run(experiment, tmp_path))
    assert numbers["open/facegood/expected/lips"] >= 0.65
    assert numbers["open/facegood/expected/jaw"] >= 0.65
    for name in ("likeliest", "expected"):
        before, after = (f"open/facegood/{name}{smooth}" for smooth in ("", " smooth"))
        assert numbers[f"{after}/jitter"] < 0.7 * numbers[f"{before}/jitter"]
        assert numbers[f"{after}/lips"] >= numbers[f"{before}/lips"]
