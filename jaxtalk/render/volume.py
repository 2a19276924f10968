"""Pictures of radiance fields: any function from points and directions to density and values.

    rays --occupied cells, one budget of samples--> `marched`: for fields in grids, which are small everywhere else
    rays --even samples, then where they found weight--> `layered`: for two deep perceptrons (NeRF)
    rays of a picture --pieces--> `whole`: memory that does not grow with the picture

All are pure functions of arrays with static shapes, so `jit`, `vmap`, `grad`, `jvp` and `shard_map` go through them.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from jaxtalk.render import compositing, march, occupancy, ray_samples
from jaxtalk.render.compositing import Composite
from jaxtalk.render.march import Lattice, Packed
from jaxtalk.render.march_rounds import by_rounds
from jaxtalk.render.rays import Rays, box

# points [n 3], directions [n 3] -> density [n], values [n c] such as colour
Field = Callable[[Float[Array, "n 3"], Float[Array, "n 3"]], tuple[Float[Array, "n"], Float[Array, "n c"]]]


class Box(NamedTuple):
    """Where a field is asked at all, and which parts of that hold matter."""

    low: Float[Array, "3"]
    high: Float[Array, "3"]
    occupied: Bool[Array, "c h h h"]
    density: Float[Array, "c h h h"] | None = None  # met in each cell; then `marched` leaves out what it hides


def around(grid: Float[Array, "c h h h"], bound: float, highest: float = occupancy.HIGHEST) -> Box:
    """The cube of plus and minus `bound`, occupied where the grid says or next to it."""
    corner = jnp.full(3, bound)
    return Box(-corner, corner, occupancy.dilate(occupancy.occupied(grid, highest)))


class Marched(NamedTuple):
    """What rays see, and how the budget was used. Depth counts the ends of steps, as RAD-NeRF's does."""

    seen: Composite
    packed: Packed
    spread: Float[Array, "r"]  # `compositing.distortion`, of distances as shares of the space's diagonal


def marched(
    field: Field,
    rays: Rays,  # [r 3]
    space: Box,
    lattice: Lattice,
    budget: int,
    noise: Float[Array, "r"] | None = None,
) -> Marched:
    """Density and values where space is occupied, composited; for training.

    The field is asked `budget` times for all rays; where that is too little for the occupied space, samples are fewer
    and wider. `noise` in [0, 1) moves each ray's samples.
    """
    samples = march.march(rays, *box(rays, space.low, space.high), space.occupied, lattice, noise)
    if space.density is not None:
        samples = march.unhidden(samples, rays, space.density, lattice)
    samples = march.thinned(samples, budget, noise)
    packed = march.pack(samples, budget)
    points, directions = _asked(rays, packed.ray, march.pick(packed, samples.distance), lattice)
    density, values = (march.unpack(packed, each, lattice.most) for each in field(points, directions))
    weights = compositing.weights(density, samples.width)
    seen = compositing.accumulate(weights, values, samples.end)
    diagonal = jnp.linalg.norm(space.high - space.low)
    spread = compositing.distortion(
        weights, (samples.distance + samples.width / 2) / diagonal, samples.width / diagonal
    )
    return Marched(seen, packed, spread)


def marched_in_rounds(field: Field, rays: Rays, space: Box, lattice: Lattice) -> Composite:
    """What `marched` sees with a budget that is large enough, without asking for what nobody sees; for drawing."""
    samples = march.march(rays, *box(rays, space.low, space.high), space.occupied, lattice)

    def along(ray: Int[Array, "n"], distance: Float[Array, "n"]):
        return field(*_asked(rays, ray, distance, lattice))

    return by_rounds(samples, along)[0]


def layered(
    coarse: Field,
    fine: Field,
    rays: Rays,  # [r 3]
    near: Float[Array, "r"],
    far: Float[Array, "r"],
    counts: tuple[int, int] = (64, 128),
    rng: PRNGKeyArray | None = None,
    last: float = ray_samples.FOREVER,
) -> tuple[Composite, Composite]:
    """What the coarse and the fine field see (NeRF, Mildenhall et al., 2020, sec. 5.2).

    `counts`: samples of the coarse field, and how many more the fine one gets. With `rng` they are moved about. Density
    is that after its activation. `last` is the width of the last sample.
    """
    rngs = (None, None) if rng is None else jax.random.split(rng)
    distance = ray_samples.stratified(near, far, counts[0], rngs[0])
    first, weights = _sampled(coarse, rays, distance, last)
    middles = ray_samples.middles(distance)
    more = ray_samples.importance(middles, weights[..., 1:-1], counts[1], rngs[1])
    distance = jax.lax.stop_gradient(jnp.sort(jnp.concatenate([distance, more], axis=-1), axis=-1))
    return first, _sampled(fine, rays, distance, last)[0]


def whole(draw: Callable[[PyTree], PyTree], given: PyTree, piece: int) -> PyTree:
    """`draw` of everything, `piece` rows at a time, one after another.

    `given`: arrays whose first axis is long, such as the rays of a picture; `draw` must treat its rows alike.
    """
    rows = len(jax.tree.leaves(given)[0])
    count = -(-rows // piece)

    def cut(x):
        spare = jnp.broadcast_to(x[-1:], (count * piece - rows, *x.shape[1:]))
        return jnp.concatenate([x, spare]).reshape(count, piece, *x.shape[1:])

    pieces = jax.lax.map(draw, jax.tree.map(cut, given))
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:rows], pieces)


def _asked(rays: Rays, ray: Int[Array, "n"], distance: Float[Array, "n"], lattice: Lattice):
    """Points and directions at distances of rays, by their numbers."""
    chosen = Rays(rays.origin[ray], rays.direction[ray])
    return march.points(chosen, distance[:, None], lattice.cells.bound)[:, 0], chosen.direction


def _sampled(field: Field, rays: Rays, distance: Float[Array, "r s"], last: float) -> tuple[Composite, Array]:
    directions = jnp.broadcast_to(rays.direction[:, None], (*distance.shape, 3))
    asked = field(rays.at(distance).reshape(-1, 3), directions.reshape(-1, 3))
    density, values = (each.reshape(*distance.shape, *each.shape[1:]) for each in asked)
    weights = compositing.weights(density, ray_samples.widths(distance, last))
    return compositing.accumulate(weights, values, distance), weights
