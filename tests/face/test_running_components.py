import numpy as np
import pytest

from jaxtalk.face.running_components import RunningComponents


@pytest.fixture
def offsets():
    """120 frames of 40 vertices that move by 5 shapes, the last of which starts late."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(120, 5)) * [3, 2, 1, 0.5, 0.5]
    numbers[:60, 4] = 0
    return (numbers @ rng.normal(size=(5, 120))).reshape(120, 40, 3).astype(np.float32)


@pytest.mark.parametrize("piece", [1, 7, 60, 120])
def test_pieces_of_any_size_give_the_whole_motion_back(offsets, piece):
    running = RunningComponents(40)
    for first in range(0, 120, piece):
        running.add(offsets[first : first + piece])
    numbers, shapes = running.finish()
    assert shapes.shape == (5, 40, 3) and numbers.shape == (120, 5)
    np.testing.assert_allclose(np.tensordot(numbers, shapes, 1), offsets, atol=1e-4)
    np.testing.assert_allclose(np.abs(numbers).max(axis=0), 1.0, rtol=1e-6)  # a morph target is whole at 1


def test_most_of_the_motion_is_kept_where_shapes_are_few(offsets):
    running = RunningComponents(40, most=3)
    for part in np.split(offsets, 4):
        running.add(part)
    numbers, shapes = running.finish()
    lost = np.linalg.norm(np.tensordot(numbers, shapes, 1) - offsets)
    best = np.sqrt((np.linalg.svd(offsets.reshape(120, -1), compute_uv=False)[3:] ** 2).sum())
    assert len(shapes) == 3 and lost < 1.1 * best  # no three shapes lose less than `best`


def test_a_mesh_that_stays_has_a_shape_of_nothing():
    running = RunningComponents(4)
    running.add(np.zeros((5, 4, 3), np.float32))
    numbers, shapes = running.finish()
    assert not numbers.any() and not shapes.any() and numbers.shape == (5, 1)  # a .glb needs one
