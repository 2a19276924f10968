"""The occupancy grid against loops written from the published description, and against its bit fields."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.face import rotation
from jaxtalk.face.camera import Pinhole
from jaxtalk.render import occupancy
from jaxtalk.render.occupancy import Cells

SMALL = Cells(bound=3.0, side=8)  # three cascades: to 1, 2 and 3


def random_grid(cells, seed=0):
    return jnp.asarray(np.random.default_rng(seed).uniform(size=cells.shape), jnp.float32)


@pytest.mark.parametrize("bound, cascades", [(0.5, 1), (1.0, 1), (1.5, 2), (2.0, 2), (3.0, 3), (4.0, 3)])
def test_cascades_double_until_they_reach_the_bound(bound, cascades):
    cells = Cells(bound=bound)
    assert cells.cascades == cascades and cells.reach(cascades - 1) == bound


def test_a_point_is_looked_up_in_the_smallest_cascade_that_holds_it_and_its_step():
    rng = np.random.default_rng(0)
    points = rng.uniform(-3, 3, (500, 3)).astype(np.float32) * rng.uniform(0, 1, (500, 1)).astype(np.float32) ** 2
    width = rng.uniform(0, 0.8, 500).astype(np.float32)
    grid = np.asarray(random_grid(SMALL) > 0.5)
    expected, levels = [], set()
    for point, step in zip(points, width, strict=True):
        exponents = [np.frexp(np.abs(point).max())[1], np.frexp(step * np.float32(4))[1]]
        level = max(min(max(int(exponent), 0), 2) for exponent in exponents)
        reach = min(2.0**level, 3.0)
        cell = np.clip(0.5 * (point / np.float32(reach) + 1) * 8, 0, 7).astype(int)
        expected.append(grid[level, *cell])
        levels.add(level)
    assert levels == {0, 1, 2}
    found = occupancy.at(jnp.asarray(grid), SMALL, jnp.asarray(points), jnp.asarray(width))
    np.testing.assert_array_equal(found, expected)


def test_places_lie_in_their_own_cells():
    grid = random_grid(SMALL) > 0.5
    for rng in (None, jax.random.key(0)):
        points = occupancy.places(SMALL, rng)
        largest = jnp.abs(points).max(-1)
        low, high = jnp.asarray([0.0, 1.0, 2.0]), jnp.asarray([1.0, 2.0, 3.0])
        own = (largest >= low[:, None, None, None]) & (largest < high[:, None, None, None])
        found = occupancy.at(grid, SMALL, points, jnp.zeros(SMALL.shape))
        assert (own.sum((1, 2, 3)) > 200).all()
        assert (found == grid)[own].all()
    centre = occupancy.places(SMALL)[1, 2, 0, 7]
    np.testing.assert_allclose(centre, (2 * np.asarray([2, 0, 7]) / 7 - 1) * (2 - 2 / 8), atol=1e-6)


def test_dilation_takes_the_highest_of_seven():
    grid = np.asarray(random_grid(Cells(side=5)))
    expected = grid.copy()
    for cell in np.ndindex(5, 5, 5):
        for step in np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)]):
            other = np.add(cell, step)
            if (other >= 0).all() and (other < 5).all():
                expected[0, *cell] = max(expected[0, *cell], grid[0, *other])
    np.testing.assert_array_equal(occupancy.dilate(jnp.asarray(grid)), expected)
    one = occupancy.dilate_picture(jnp.zeros((9, 8)).at[1, 6].set(0.5))
    np.testing.assert_array_equal(one, np.pad(np.full((4, 4), 0.5, np.float32), ((0, 5), (4, 0))))


def test_an_update_keeps_the_larger_of_the_faded_and_the_new_and_leaves_the_unseen():
    grid, new = jnp.asarray([1.0, 1.0, -1.0, 0.2]), jnp.asarray([0.5, 2.0, 5.0, -1.0])
    np.testing.assert_allclose(occupancy.update(grid, new), [0.95, 2.0, -1.0, 0.2])
    np.testing.assert_allclose(occupancy.threshold(jnp.asarray([3.0, -1.0, 1.0, 0.0])), 1.0)
    assert occupancy.threshold(jnp.asarray([100.0, 100.0])) == occupancy.HIGHEST


def test_updates_find_a_ball_and_forget_it_when_it_is_gone():
    cells = Cells(side=16)

    @jax.jit
    def step(grid, rng, amount):
        points = occupancy.places(cells, rng)
        density = amount * (jnp.linalg.norm(points, axis=-1) < 0.5)
        return occupancy.update(grid, occupancy.dilate(density))

    grid, keys = occupancy.empty(cells), jax.random.split(jax.random.key(0), 70)
    for key in keys[:8]:
        grid = step(grid, key, 1.0)
    radius = jnp.linalg.norm(occupancy.places(cells), axis=-1)
    held = occupancy.occupied(grid)
    assert held[radius < 0.5].all() and not held[radius > 0.5 + 3 * np.sqrt(3) / 16].any()
    for key in keys[8:]:
        grid = step(grid, key, 0.0)
    assert not (grid > 0.05).any()


def test_cells_that_no_picture_shows_are_unseen_and_no_others():
    cells = Cells(bound=0.3, side=8)
    camera = Pinhole(jnp.asarray(40.0), jnp.asarray([16.0, 12.0]), jnp.asarray(0.5))
    turns = rotation.matrix(jnp.asarray([[0.0, 0.0, 0.0], [0.1, 0.6, 0.0]]))
    shifts = jnp.asarray([[0.2, 0.0, 0.0], [0.0, 0.1, 0.1]])
    found = np.asarray(jax.jit(lambda *pose: occupancy.seen(cells, camera, *pose, 24, 32))(turns, shifts)).reshape(-1)
    rng = np.random.default_rng(0)
    points = np.asarray(occupancy.places(cells)).reshape(-1, 1, 3) + rng.uniform(-1, 1, (1, 64, 3)) * 0.3 / 8
    shown = np.zeros(512, int)
    for turn, shift in zip(turns, shifts, strict=True):
        screen = np.asarray(camera.project(jnp.asarray(points @ np.asarray(turn).T + np.asarray(shift), jnp.float32)))
        shown += ((screen >= 0) & (screen <= [32, 24, np.inf])).all(-1).sum(-1)
    assert found[shown > 0].all()
    assert 100 < (shown > 0).sum() <= found.sum() < 1.5 * (shown > 0).sum() < 512


def test_the_morton_curve_interleaves_bits():
    flat = jnp.arange(8**3)[None]
    grid = occupancy.from_morton(flat)
    for x, y, z in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (5, 3, 6)):
        bits = [f"{value:03b}" for value in (z, y, x)]
        assert grid[0, x, y, z] == int("".join("".join(column) for column in zip(*bits, strict=True)), 2)
    np.testing.assert_array_equal(occupancy.to_morton(grid), flat)


@pytest.mark.parametrize("name, cascades", [("b1", 1), ("b2", 2)])
def test_bit_fields_are_the_published_kernels(name, cascades):
    manifest, arrays = golden_fixture.load("radnerf_raymarching")
    density = jnp.asarray(golden_fixture.inputs(manifest)["density"][:cascades])
    bits = occupancy.to_morton(occupancy.from_morton(density) > 0.5)
    bytes_ = jnp.packbits(bits.reshape(-1), bitorder="little").astype(jnp.int32)
    golden_fixture.compare(manifest, arrays, f"{name}_bitfield", bytes_)


def test_looks_at_slabs_find_what_is_there_and_touch_nothing_else():
    cells = Cells(side=16)
    inside = jnp.linalg.norm(occupancy.places(cells), axis=-1) < 0.7
    ball = lambda points: 50.0 * (jnp.linalg.norm(points, axis=-1) < 0.8)  # noqa: E731
    look = jax.jit(lambda grid, rng: occupancy.refresh(grid, cells, ball, rng, slabs=4))
    start = occupancy.empty(cells)
    once = look(start, jax.random.key(0))
    assert sorted(set(jnp.any(once[0] > 0, (1, 2)).reshape(4, 4).sum(-1).tolist())) in ([0, 3], [0, 4])
    grid = start
    for number in range(24):
        grid = look(grid, jax.random.key(number))
    assert occupancy.occupied(grid)[inside].all() and grid.max() == 50.0
    with pytest.raises(ValueError, match="divide"):
        occupancy.refresh(start, cells, ball, jax.random.key(0), slabs=5)
