"""What networks of meshes learn from: the corpus on a rig, recorded vertices, FACEGOOD; and a network on the last."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import voca
from jaxtalk.data import clip, corpus, mesh_clips
from jaxtalk.errors import InputError
from jaxtalk.face import builtin
from jaxtalk.systems import mesh_lessons
from jaxtalk.systems.mesh_lessons import Meshes


def test_the_corpus_moves_the_built_in_face(monkeypatch):
    records = {"train": [clip.example(0, 0, 0)], "validation": [clip.example(0, 0, 9)]}
    monkeypatch.setattr(corpus, "read", lambda folder, split: records[split])
    config = Meshes(corpus=Path("corpus"), features="mel", components=4, fps=25.0)
    data = config.data()
    learnt, basis = data.train[0], data.face.basis
    assert data.face.speakers == ("corpus",) and basis.basis.shape == (4, len(builtin.model().template), 3)
    assert learnt.motion.shape == (len(records["train"][0]["expression"]), 4) and len(learnt.sound) == len(
        learnt.motion
    )
    assert all(mesh.name.startswith("9 ") for mesh in data.held_out)
    again = config.data(data.face)  # of a network that comes after
    np.testing.assert_array_equal(again.train[0].motion, learnt.motion)
    assert (
        np.corrcoef(basis.offsets(learnt.motion)[:, basis.jaw, 1], records["train"][0]["expression"][:, 17])[0, 1]
        < -0.6
    )


def test_recorded_vertices_at_half_their_rate_and_people_never_met(monkeypatch):
    rng, shapes = np.random.default_rng(0), np.random.default_rng(1).normal(0, 0.01, (2, 9, 3))

    def record(subject: str) -> dict:
        frames = 240
        motion = np.tensordot(np.cumsum(rng.normal(0, 0.1, (frames, 2)), 0), shapes, 1)
        template = rng.normal(0, 0.1, (9, 3)).astype(np.float32)
        speech = (1000 * rng.normal(size=frames * 16000 // 60)).astype(np.int16)
        return {
            "name": f"{subject}_sentence01", "subject": subject, "fps": 60.0, "speech": speech, "template": template,
            "vertices": (template + motion).astype(np.float32),
        }  # fmt: skip

    sets = {"train": [record("anna"), record("ben")], "test": [record("cleo")]}
    monkeypatch.setattr(mesh_clips, "read", lambda folder, split: sets[split])
    data = Meshes(meshes=Path("vocaset"), features="mel").data()
    one = sets["train"][1]
    assert data.face.speakers == ("anna", "ben") and [mesh.speaker for mesh in data.train] == [0, 1]
    offsets = data.face.basis.offsets(data.train[1].motion)
    np.testing.assert_allclose(offsets, (one["vertices"] - one["template"])[::2], atol=1e-5)
    assert [mesh.speaker for mesh in data.held_out] == [-1] and len(data.face.basis.upper) == 0
    np.testing.assert_allclose(mesh_lessons.styles(data.face, jnp.array([1, -1])), [[0, 1], [0.5, 0.5]])


def test_one_set_of_data_is_asked_for(tmp_path):
    for given in ({}, {"corpus": tmp_path, "facegood": tmp_path}):
        with pytest.raises(InputError, match="give one of --facegood, --corpus and --meshes"):
            Meshes(**given).recordings("train")


@pytest.mark.slow  # ears and 300 steps: a minute
def test_real_speech_moves_a_jaw_it_never_met(media):
    experiment = voca.Config(facegood=media / "facegood", frames=60, steps=300).experiment()
    state, step, data = experiment.init(jax.random.key(0)), jax.jit(experiment.step), experiment.data()
    for k in range(300):
        state, _ = step(state, data[k])
    found = experiment.evaluate(state)
    assert found["error"] < 0.9 and found["jaw"] > 0.5, found  # the mean face's: 1 and 0
