"""Scores of animated meshes, on motions of which they are known."""

import dataclasses

import mesh_toys
import numpy as np
import pytest

from jaxtalk.systems import mesh_scores

BASIS = mesh_toys.basis()
TRUTH = [mesh_toys.talking(seed, frames).motion for seed, frames in ((1, 30), (2, 50))]
MEAN = np.concatenate(TRUTH).mean(0)


def test_the_truth_is_without_fault():
    found = mesh_scores.scores(BASIS, TRUTH, TRUTH, MEAN)
    assert found == {"lve": 0.0, "jaw": pytest.approx(1, abs=1e-4), "error": 0.0, "fdd": 0.0}


def test_a_still_face_moves_nothing():
    found = mesh_scores.scores(BASIS, [0 * x + MEAN for x in TRUTH], TRUTH, MEAN)
    assert found["error"] == pytest.approx(1) and abs(found["jaw"]) < 1e-6 and found["lve"] > 1
    moving = [1000 * np.linalg.norm(BASIS.offsets(x)[:, BASIS.upper], axis=-1).std(0).mean() for x in TRUTH]
    assert found["fdd"] == pytest.approx(np.mean(moving), rel=1e-3)


def test_lip_error_is_the_largest_and_in_millimetres():
    away = np.zeros((1, 4), np.float32)
    away[0, 2] = 0.7
    found = mesh_scores.scores(BASIS, [x + away for x in TRUTH], TRUTH, MEAN)
    want = 700 * np.linalg.norm(BASIS.basis[2][BASIS.lips], axis=-1).max()
    assert found["lve"] == pytest.approx(want, rel=1e-3)


def test_without_an_upper_face_there_is_no_figure_of_it():
    bare = dataclasses.replace(BASIS, upper=np.zeros(0, int))
    assert "fdd" not in mesh_scores.scores(bare, TRUTH, TRUTH, MEAN)


def test_dynamics_of_all_vertices():
    length = np.linalg.norm(BASIS.offsets(TRUTH[0]), axis=-1)
    np.testing.assert_allclose(mesh_scores.dynamics(BASIS, TRUTH[0]), length.std(0), rtol=1e-3, atol=1e-7)
