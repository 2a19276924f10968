"""The recipe of the shipped face network runs from nothing: renders of people, pairs of views, steps, weights."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from configs import face_features as recipe
from jaxtalk.data.face_renders import Render
from jaxtalk.io import weights
from jaxtalk.train import loop


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """With a stand-in for the renderer, which has tests of its own: a grey that tells the person and the view."""
    points = np.random.default_rng(0).normal(64, 20, (68, 2)).astype(np.float32)

    def render(seed, view):
        return Render(np.full((128, 128, 3), 20 * seed + view, np.uint8), np.full((128, 128), 255, np.uint8), points)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe.head_mesh, "load", lambda path: path)
        patch.setattr(recipe.face_renders, "make_renderer", lambda mesh, size, margin: render)
        yield recipe.Config(renders=tmp_path_factory.mktemp("people"), people=10, backgrounds=4, batch=8, steps=2)


def test_renders_are_views_of_people_in_order(config):
    (people,) = recipe.write_renders(config.model, config.renders, config.people)
    assert len(people) == 60
    assert [int(people[i][0][0, 0, 0]) for i in (0, 5, 6, 59)] == [0, 5, 20, 185]
    given, built_in = recipe.write_renders(Path("ict.npz"), config.renders / "both", 9)
    assert (len(given), len(built_in)) == (36, 18)


def test_batches_are_two_views_each_of_people_in_a_new_dress(config):
    task = recipe.Task(config)
    batch = next(iter(task.data()))
    assert batch["image"].shape == (8, 96, 96, 3) and batch["image"].dtype == np.float32
    assert -1 <= batch["image"].min() and batch["image"].max() <= 1
    people, counts = np.unique(batch["person"], return_counts=True)
    assert len(people) == 4 and (counts == 2).all()
    assert np.abs(batch["image"][0] - batch["image"][1]).mean() > 0.02
    held_out = {tuple(row) for row in task.held_out.tolist()}
    assert len(held_out) == 2 and not held_out & {tuple(row) for row in task.people.tolist()}


@pytest.mark.slow
def test_recipe_runs_from_nothing_to_weights(config, tmp_path):
    experiment = dataclasses.replace(config.experiment(), log_every=1)
    state = loop.run(experiment, tmp_path)
    assert int(state.step) == 2
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    (evaluated,) = [line for line in lines if line["kind"] == "eval"]
    assert 0 <= evaluated["held_out_auc"] <= 1
    loaded = weights.load(tmp_path / "face_features.safetensors", like=state.variables)
    assert loaded.name == "face-identity-jaxtalk"


def test_auc_of_pairs_counts_each_pair_once():
    embedding = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    assert recipe.pair_auc(embedding, np.array([0, 0, 1, 1])) == 1
    assert recipe.pair_auc(embedding, np.array([0, 1, 0, 1])) == pytest.approx(0.25)


def test_compression_keeps_size_and_range():
    picture = np.asarray(jax.random.uniform(jax.random.key(0), (96, 96, 3)))
    for seed in range(6):
        spoilt = recipe._compress(np.random.default_rng(seed), picture)
        assert spoilt.shape == (96, 96, 3) and spoilt.dtype == np.uint8
