"""Whole renderers on a ball of fog, whose picture is known in closed form."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from jaxtalk.face.camera import Pinhole
from jaxtalk.render import compositing, occupancy, rays, volume
from jaxtalk.render.march import Lattice
from jaxtalk.render.occupancy import Cells

CELLS = Cells(bound=1.0, side=32)
LATTICE = Lattice(cells=CELLS, most=256, growth=0.0)
RADIUS, DENSITY = 0.5, 2.0
SPACE = volume.Box(-jnp.ones(3), jnp.ones(3), jnp.ones(CELLS.shape, bool))


marched = jax.jit(volume.marched, static_argnames=("field", "lattice", "budget"))  # one program instead of a hundred
in_rounds = jax.jit(volume.marched_in_rounds, static_argnames=("field", "lattice"))


def fog(points, directions, density=DENSITY):
    """Colour is where a point lies, so that what is seen tells about depth."""
    inside = jnp.linalg.norm(points, axis=-1) < RADIUS
    return jnp.where(inside, density, 0.0), points + 0 * directions


def soft(points, directions, density=DENSITY):
    """As `fog` without an edge, for derivatives."""
    return density * jnp.exp(-((points / 0.3) ** 2).sum(-1)), points + 0 * directions


@pytest.fixture(scope="module")
def seen_from():
    """8 x 8 rays from 3 m away."""
    camera = Pinhole(jnp.float32(18.0), jnp.array([4.0, 4.0]), jnp.float32(3.0))
    return rays.through(camera, rays.pixels(8, 8).reshape(-1, 2))


def chord(seen_from):
    """How much of the ball each ray passes."""
    across = jnp.linalg.norm(jnp.cross(seen_from.origin, seen_from.direction), axis=-1)
    return 2 * jnp.sqrt(jnp.maximum(RADIUS**2 - across**2, 0.0))


def test_a_ball_of_fog_is_as_dark_as_the_way_through_it(seen_from):
    expected = -jnp.expm1(-DENSITY * chord(seen_from))
    assert (expected == 0).any() and (expected > 0.8).any()
    drawn = jax.jit(lambda r: volume.marched(fog, r, SPACE, LATTICE, 64 * 256))(seen_from)
    np.testing.assert_allclose(drawn.seen.opacity, expected, atol=0.04)  # a step at the rim is 0.1 long and 3 % dark
    assert drawn.packed.dropped == 0
    thick = DENSITY * chord(seen_from)  # the double integral of w(s) w(t) |s - t| along it, over the diagonal
    spread = (1 - 2 * thick * jnp.exp(-thick) - jnp.exp(-2 * thick)) / DENSITY / (2 * np.sqrt(3))
    np.testing.assert_allclose(drawn.spread, spread, atol=0.003)
    assert spread.max() > 0.02
    near, far = jnp.full(64, 2.0), jnp.full(64, 4.0)
    _, fine = jax.jit(lambda r: volume.layered(fog, fog, r, near, far, (64, 256), last=0.0))(seen_from)
    np.testing.assert_allclose(fine.opacity, expected, atol=0.01)
    np.testing.assert_allclose(fine.values, drawn.seen.values, atol=0.04)


def test_rounds_see_what_one_budget_sees(seen_from):
    lattice = Lattice(cells=CELLS, most=24, growth=0.0)
    dense = functools.partial(fog, density=40.0)
    space = SPACE._replace(occupied=occupancy.places(CELLS)[..., 0] < 0.4)
    whole = marched(dense, seen_from, space, lattice, 64 * 24).seen
    rounds = in_rounds(dense, seen_from, space, lattice)
    for one, other in zip(whole, rounds, strict=True):
        np.testing.assert_allclose(one, other, atol=3 * compositing.STOP)
    assert whole.opacity.max() > 0.9999


def test_empty_cells_are_not_asked(seen_from):
    tight = SPACE._replace(occupied=jnp.linalg.norm(occupancy.places(CELLS), axis=-1) < RADIUS + 0.06)
    everywhere = marched(fog, seen_from, SPACE, LATTICE, 64 * 256)
    there = marched(fog, seen_from, tight, LATTICE, 64 * 80)
    assert there.packed.dropped == 0 and there.packed.count.sum() < everywhere.packed.count.sum() / 2
    np.testing.assert_allclose(there.seen.opacity, everywhere.seen.opacity, atol=1e-5)


def test_too_small_a_budget_looks_more_coarsely_at_the_whole_ray(seen_from):
    enough = marched(soft, seen_from, SPACE, LATTICE, 64 * 256).seen
    noise = jax.random.uniform(jax.random.key(0), (64,))
    drawn = marched(soft, seen_from, SPACE, LATTICE, 64 * 20, noise)
    assert drawn.packed.count.sum() <= 64 * 20 and drawn.packed.dropped < 64
    for few, many in zip(drawn.seen, enough, strict=True):
        np.testing.assert_allclose(few, many, atol=0.08)  # steps of a third of the ball's spread


@pytest.mark.parametrize("piece", [7, 64, 100])
def test_pieces_make_the_whole(seen_from, piece):
    draw = lambda r: volume.marched(fog, r, SPACE, LATTICE, len(r.origin) * 256).seen  # noqa: E731
    together = jax.jit(draw)(seen_from)
    for one, other in zip(jax.jit(lambda r: volume.whole(draw, r, piece))(seen_from), together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("kind", ["marched", "layered"])
def test_derivatives_are_those_of_differences_in_both_modes(seen_from, kind):
    near, far = jnp.full(64, 2.0), jnp.full(64, 4.0)

    def light(density):
        field = functools.partial(soft, density=density)
        if kind == "marched":
            seen = volume.marched(field, seen_from, SPACE, LATTICE, 64 * 100).seen
        else:
            seen = volume.layered(field, field, seen_from, near, far, (32, 32), last=0.0)[0]
        return seen.values.sum() + seen.opacity.sum()

    at, step = jnp.float32(DENSITY), 0.05
    both = jax.jit(lambda at: (jax.grad(light)(at), jax.jvp(light, (at,), (jnp.float32(1.0),))[1]))(at)
    light = jax.jit(light)
    slope = (light(at + step) - light(at - step)) / (2 * step)
    np.testing.assert_allclose(both, [slope, slope], rtol=2e-3)


def test_rays_may_be_mapped_and_split_over_devices(seen_from):
    draw = lambda r: volume.marched(soft, r, SPACE, LATTICE, len(r.origin) * 128).seen  # noqa: E731
    together = jax.jit(draw)(seen_from)
    two = jax.jit(jax.vmap(draw))(jax.tree.map(lambda x: x.reshape(2, 32, 3), seen_from))
    mesh = jax.make_mesh((8,), ("rays",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = PartitionSpec("rays")
    split = jax.jit(jax.shard_map(draw, mesh=mesh, in_specs=spec, out_specs=spec))(seen_from)
    for whole, mapped, parts in zip(together, two, split, strict=True):
        np.testing.assert_allclose(mapped.reshape(whole.shape), whole, atol=1e-6)
        np.testing.assert_allclose(parts, whole, atol=1e-6)
