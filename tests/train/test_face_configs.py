"""The shipped face networks' recipes run from nothing: renders, batches, steps, evaluation, weights."""

import dataclasses
import json

import pytest

from configs import face_detector, landmarks
from jaxtalk.io import weights
from jaxtalk.train import loop


@pytest.fixture(scope="module")
def renders(tmp_path_factory):
    return tmp_path_factory.mktemp("renders")


def numbers(folder, kind):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


@pytest.mark.slow
@pytest.mark.parametrize("config", [landmarks, face_detector])
def test_recipe_runs_from_nothing_to_weights(config, renders, tmp_path):
    small = config.Config(renders=renders, count=8, backgrounds=6, batch=8, steps=2)
    experiment = dataclasses.replace(small.experiment(), log_every=1)
    state = loop.run(experiment, tmp_path)
    assert int(state.step) == 2
    assert len(numbers(tmp_path, "train")) == 2
    loaded = weights.load(tmp_path / f"{experiment.name}.safetensors", like=state.variables)
    assert loaded.name == experiment.name
