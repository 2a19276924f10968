"""Motion as few numbers: nothing is lost of a rig, distances are kept, files are checked; lips and brows."""

import dataclasses

import numpy as np
import pytest

from jaxtalk.errors import InputError
from jaxtalk.face import builtin, motion_basis, speech_regions
from jaxtalk.face.landmarks import INNER_LIPS
from jaxtalk.face.motion_basis import MotionBasis

RNG = np.random.default_rng(0)


def made(offsets, count: int) -> MotionBasis:
    return MotionBasis(
        template=RNG.normal(size=offsets.shape[1:]).astype(np.float32), triangles=np.array([[0, 1, 2]]),
        basis=motion_basis.components(offsets, count), lips=np.array([1, 2]), upper=np.array([4]), jaw=np.asarray(3),
    )  # fmt: skip


def test_shapes_are_not_lost_and_distances_are_kept():
    shapes, weights = RNG.normal(size=(4, 9, 3)), RNG.normal(size=(50, 4))
    offsets = np.tensordot(weights, shapes, 1).astype(np.float32)
    basis = made(offsets, 20)
    assert len(basis.basis) == 4
    numbers = basis.numbers(offsets)
    np.testing.assert_allclose(basis.offsets(numbers), offsets, atol=1e-4)
    apart = np.linalg.norm((offsets[0] - offsets[1]).reshape(-1))
    np.testing.assert_allclose(basis.unit * np.linalg.norm(numbers[0] - numbers[1]), apart, rtol=1e-4)
    spread = np.sqrt(np.square(numbers).mean(0))
    np.testing.assert_allclose(spread[0], 1.0, rtol=1e-4)
    assert np.all(np.diff(spread) <= 1e-6)


def test_fewer_components_are_the_nearest():
    """No other plane of two is nearer: what is left is the sum of the other eigenvalues."""
    offsets = (RNG.normal(size=(40, 15)) * np.linspace(3, 0.2, 15)).astype(np.float32)
    basis = made(offsets.reshape(40, 5, 3), 2)
    left = np.square(basis.offsets(basis.numbers(offsets.reshape(40, 5, 3))).reshape(40, -1) - offsets).sum()
    eigenvalues = np.linalg.eigvalsh(offsets.T @ offsets)
    np.testing.assert_allclose(left, eigenvalues[:-2].sum(), rtol=1e-3)


def test_files(tmp_path):
    basis = made(RNG.normal(size=(9, 6, 3)).astype(np.float32), 3)
    motion_basis.save(tmp_path / "mesh.npz", basis, fps=30.0)
    again, notes = motion_basis.load(tmp_path / "mesh.npz")
    for field in dataclasses.fields(MotionBasis):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(basis, field.name))
    assert float(notes["fps"]) == 30
    np.savez(tmp_path / "bad.npz", **vars(basis) | {"template": basis.template[:2]})
    np.savez(tmp_path / "other.npz", x=1)
    for name in ("bad.npz", "other.npz", "none.npz"):
        with pytest.raises(InputError, match=name):
            motion_basis.load(tmp_path / name)


def test_lips_and_brows_of_the_built_in_face():
    model = builtin.model()
    found = speech_regions.of_rig(model)
    template, landmarks = np.asarray(model.template), np.asarray(model.landmarks)
    assert set(landmarks[[k for pair in INNER_LIPS for k in pair]]) <= set(found.lips)
    assert not set(found.lips) & set(found.upper)
    nose = template[landmarks[33], 1]
    assert template[found.lips, 1].max() < nose < template[found.upper, 1].mean()
    assert len(found.upper) > 50 and found.jaw == landmarks[8]


def test_regions_of_recordings_are_where_things_move():
    offsets = np.zeros((20, 100, 3), np.float32)
    offsets[:, 7, 1], offsets[:, 8, 0] = RNG.normal(size=(2, 20))
    offsets[:, 9] = 0.01
    found = speech_regions.of_motion(offsets)
    assert found.lips.tolist() == [7, 8, 9] and found.jaw == 7 and len(found.upper) == 0
