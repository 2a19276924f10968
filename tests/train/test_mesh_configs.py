"""The configs of meshes, at sizes that take seconds, on a made-up mesh that follows its sound."""

import dataclasses

import jax
import jax.numpy as jnp
import mesh_toys
import numpy as np
import pytest

from configs import codetalker, faceformer, motion_prior, voca
from jaxtalk.io import weights
from jaxtalk.models import motion_vqvae
from jaxtalk.systems import mesh_lessons, mesh_networks

PRIOR = motion_prior.Config(
    width=16, layers=1, heads=2, hidden=16, codes=16, parts=2, code_width=8, dropout=0.0, frames=30, batch=8, steps=200,
    rate=5e-3, revive=20,
)  # fmt: skip
SMALL = dict(width=16, heads=2, hidden=16, dropout=0.0, muffle=0.0, frames=30, batch=8, steps=200, rate=5e-3)
VOCA = voca.Config(widths=(8, 8), hidden=16, expression=8, muffle=0.0, frames=30, batch=8, steps=200, rate=5e-3)


@pytest.fixture(autouse=True)
def made_up(monkeypatch):
    monkeypatch.setattr(mesh_lessons.Meshes, "data", lambda self, face=None: mesh_toys.data())


def trained(config, steps: int | None = None):
    """The experiment, its state, and the metrics of the last step."""
    experiment = config.experiment()
    state, metrics = jax.jit(experiment.init)(jax.random.key(0)), {}
    step, data = jax.jit(experiment.step), experiment.data()
    for i in range(config.steps if steps is None else steps):
        state, metrics = step(state, data[i])
    return experiment, state, {name: float(mean.value()) for name, mean in metrics.items()}


@pytest.fixture(scope="module")
def prior(tmp_path_factory):
    """A trained one, its folder, and what it says of itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mesh_lessons.Meshes, "data", lambda self, face=None: mesh_toys.data())
        experiment, state, told = trained(PRIOR)
        folder = tmp_path_factory.mktemp("prior")
        experiment.export(state, folder)
        return folder, told, experiment.evaluate(state)


def test_the_prior_keeps_held_out_motion(prior):
    _, told, found = prior
    assert found["error"] < 0.5 and found["jaw"] > 0.8, found  # the mean face's: 1 and 0
    assert 0 < found["used"] <= 1 and 1 < found["perplexity"] <= 16
    assert {"error", "codebook", "used", "perplexity"} <= set(told)


@pytest.mark.parametrize("averages", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_codes_that_nothing_takes_are_moved(averages):
    task = motion_prior.Task(dataclasses.replace(PRIOR, averages=averages, revive=2, steps=100))
    state = task.init(jax.random.key(0))
    far = jnp.full((16, 8), 50.0).at[0].set(0.0)  # all but the first are out of reach
    state = state.replace(params=state.params | {"codebook": {"codes": far}})
    if averages:
        state = state.replace(stats=state.stats | {"sums": far})
    step, data = jax.jit(task.step), PRIOR.experiment().data()
    state, _ = step(state, data[0])
    assert int((np.abs(state.params["codebook"]["codes"]).max(-1) > 20).sum()) == 15
    state, _ = step(state, data[1])
    moved = np.abs(state.params["codebook"]["codes"]).max(-1)
    assert moved.max() < 20 and float(state.stats["taken"].sum()) == 0
    np.testing.assert_allclose(state.average["codebook"]["codes"][1:], state.params["codebook"]["codes"][1:])


@pytest.mark.slow
def test_averages_follow_the_features_and_not_the_gradient():
    task = motion_prior.Task(dataclasses.replace(PRIOR, averages=True, steps=100))
    state = task.init(jax.random.key(0))
    moved, _ = jax.jit(task.step)(state, PRIOR.experiment().data()[0])
    want = moved.stats["sums"] / moved.stats["counts"][:, None]
    np.testing.assert_allclose(moved.params["codebook"]["codes"], want, rtol=1e-5)
    assert not np.allclose(want, state.params["codebook"]["codes"])


SLOW = pytest.mark.slow
AFTER = [
    pytest.param(codetalker.Config, {}, id="codetalker"),
    pytest.param(codetalker.Config, {"codebook": False}, id="no codebook", marks=SLOW),
    pytest.param(faceformer.Config, {"forced": True}, id="faceformer forced", marks=SLOW),
    pytest.param(faceformer.Config, {}, id="faceformer", marks=SLOW),
]


@pytest.mark.parametrize(("kind", "more"), AFTER)
def test_speech_moves_held_out_sentences(kind, more, prior, tmp_path):
    """Better than the mean face, from speech alone; and what is exported animates as what was trained."""
    folder, _, _ = prior
    if kind is codetalker.Config:
        more = more | {"prior": folder / "motion_prior.safetensors"}
    experiment, state, told = trained(kind(**SMALL, **more))
    found = experiment.evaluate(state)
    assert told["skipped"] == 0 and found["error"] < 0.7 and found["jaw"] > 0.6, found
    experiment.export(state, tmp_path)
    again = mesh_lessons.said(mesh_networks.load(tmp_path), mesh_toys.data())
    assert mesh_lessons.judged(mesh_toys.data(), again)["error"] == pytest.approx(found["error"], rel=1e-3)


def test_the_frozen_prior_stays(prior):
    folder, _, _ = prior
    config = codetalker.Config(prior=folder / "motion_prior.safetensors", **SMALL)
    task = codetalker.Task(config)
    state = task.init(jax.random.key(0))
    assert set(state.params) == {"decoder", "features"}  # so that it has no gradient
    stored = weights.load(folder / "motion_prior.safetensors")
    assert weights.config(motion_vqvae.Config, stored) == task.prior.config


@pytest.mark.slow
def test_voca_moves_held_out_sentences(tmp_path):
    experiment, state, told = trained(VOCA)
    found = experiment.evaluate(state)
    assert told["skipped"] == 0 and found["error"] < 0.7 and found["jaw"] > 0.6, found
    experiment.export(state, tmp_path)
    again = mesh_lessons.said(mesh_networks.load(tmp_path), mesh_toys.data())
    assert mesh_lessons.judged(mesh_toys.data(), again)["error"] == pytest.approx(found["error"], rel=1e-3)
