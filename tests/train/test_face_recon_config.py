"""The recipe of Deep3DFaceRecon, tiny: its whole loss, its steps, what it measures."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import face_recon as recipe
from jaxtalk.data.face_renders import Render
from jaxtalk.face import builtin, builtin_albedo, recon_face, recon_geometry
from jaxtalk.io import weights
from jaxtalk.train import loop


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Ten random pictures, the built-in face with two looks, and a random projection as recognition network."""
    folder, rng = tmp_path_factory.mktemp("recon"), np.random.default_rng(0)
    place = np.asarray(builtin.model().template[builtin.model().landmarks])
    points = np.stack([32 + 180 * place[:, 0], 32 - 180 * (place[:, 1] + 0.03)], -1).astype(np.float32)
    picture = np.linspace(40, 220, 64)[:, None, None] * np.array([1.0, 0.8, 0.7]) * np.ones((64, 64, 1))

    def render(k):
        noise = rng.normal(0, 8, (64, 64, 3))
        return Render((picture + noise).clip(0, 255).astype(np.uint8), np.full((64, 64), 255, np.uint8), points + k % 3)

    def record(k):
        return {"index": k, "expression": rng.random((20, 52)), "rotation": np.zeros((20, 3), np.float32),
                "translation": np.zeros((20, 3), np.float32), "identity": rng.normal(size=41)}  # fmt: skip

    records = [record(k) for k in range(2)]
    face = recon_face.build(builtin.model(), builtin_albedo.build(looks=3, components=2))
    project = jnp.asarray(rng.normal(size=(12, 5)), jnp.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe.corpus, "read", lambda folder, split: records)
        patch.setattr(recipe.recon_frames, "of_corpus", lambda records, size: render)
        patch.setattr(recipe.recon_face, "load", lambda path: face)
        patch.setattr(
            recipe,
            "recognition",
            lambda path: lambda x: x.reshape(len(x), 2, 48, 2, 48, 3).mean((2, 4)).reshape(-1, 12) @ project,
        )
        patch.setattr(recipe, "BLOCK", 8)
        yield recipe.Config(renders=folder, clips=2, size=32, width=2, blocks=(1, 1), batch=8, steps=2, backgrounds=4)


@pytest.fixture(scope="module")
def task(config):
    return recipe.Task(config)


@pytest.mark.slow
def test_batches_are_crops_with_landmarks(task):
    batches = iter(task.data())
    first, second = next(batches), next(batches)
    assert first["image"].shape == (8, 32, 32, 3) and first["landmarks"].shape == (8, 68, 2)
    assert 0 < first["landmarks"].mean() < recon_geometry.SIZE
    assert not np.array_equal(first["image"], second["image"])
    again = next(iter(task.data()))
    np.testing.assert_array_equal(again["image"], first["image"])


@pytest.mark.slow
def test_the_whole_loss_has_finite_slopes_in_every_coefficient(task):
    batch = jax.tree.map(jnp.asarray, next(iter(task.data())))
    face, rng = task.face, np.random.default_rng(1)
    sizes = (len(face.model.identity), len(face.model.expression), len(face.albedo.basis), 3, 27, 3)
    coefficients = recon_geometry.Coefficients(
        *(jnp.asarray(0.1 * rng.normal(size=(8, n)), jnp.float32) for n in sizes)
    )

    @jax.jit
    def slopes(c):
        return jax.jacrev(
            lambda c: {k: v.mean() for k, v in task.terms(c, batch["image"], batch["landmarks"])[0].items()}
        )(c)

    by_term = slopes(coefficients)
    moves = {
        "color": {"identity", "expression", "texture", "angles", "light", "translation"},
        "lm": {"identity", "expression", "angles", "translation"},
        "feat": {"identity", "expression", "texture", "angles", "light", "translation"},
        "reg": {"identity", "expression", "texture"},
        "gamma": {"light"},
        "reflc": {"texture"},
    }
    assert set(by_term) == set(moves)
    for term, slope in by_term.items():
        assert all(np.isfinite(part).all() for part in slope)
        assert {name for name, part in slope._asdict().items() if np.abs(part).max() > 0} == moves[term], term


def same(a, b, **tolerance):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **tolerance), a, b)


@pytest.mark.slow
def test_resumed_run_equals_an_uninterrupted_one_and_eight_devices_train_as_one(config, tmp_path):
    def run(steps, folder, devices):
        experiment = dataclasses.replace(config.experiment(), steps=steps, save_every=1, evaluate=None, export=None)
        return loop.run(experiment, tmp_path / folder, devices=devices)

    one = jax.devices()[:1]
    whole = run(2, "whole", one)
    run(1, "parts", one)
    same(run(2, "parts", one).params, whole.params, rtol=0, atol=0)
    same(run(2, "eight", jax.devices()[:8]).params, whole.params, rtol=1e-3, atol=1e-4)  # other order of sums


@pytest.mark.slow
def test_recipe_measures_and_writes_weights(config, tmp_path):
    state = loop.run(config.experiment(), tmp_path, devices=jax.devices()[:1])
    loaded = weights.load(tmp_path / "face_recon.safetensors", like=state.variables)
    assert loaded.config["identity"] == 41 and loaded.config["texture"] == 2
    numbers = recipe.Task(config).evaluate(state)
    assert all(np.isfinite(value) for value in numbers.values())
    assert {"landmarks", "landmarks_of_mean_face", "color", "expression_readout", "identity_correlation"} <= set(
        numbers
    )


def test_mean_face_fits_its_own_landmarks_wherever_they_are(task):
    still = recon_geometry.Coefficients(*(jnp.zeros((1, n)) for n in (41, 52, 2, 3, 27, 3)))
    own = np.asarray(recon_geometry.landmarks(task.face.model, still))
    turned = 1.7 * own @ np.array([[0.8, -0.6], [0.6, 0.8]], np.float32) + 9
    np.testing.assert_allclose(recipe.mean_face_error(task.face, turned), 0, atol=1e-4)
    assert recipe.mean_face_error(task.face, turned * [1, 1.3]).item() > 0.02


def test_knowledge_is_a_correlation(task):
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(80, 3))
    found = {"identity": truth + 0.5 * rng.normal(size=(80, 3)), "expression": rng.normal(size=(80, 4))}
    numbers = recipe.knowledge(found, "identity", truth)
    assert 0.7 < numbers["readout"] < 1 and 0.8 < numbers["correlation"] < 0.95
    assert abs(recipe.knowledge(found, "expression", truth[:, :2])["readout"]) > 0.7
    assert set(recipe.knowledge(found, "expression", truth[:, :2])) == {"readout"}
