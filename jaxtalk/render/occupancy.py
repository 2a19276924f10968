"""Which cells of space hold matter, learned along with the field, so that rays skip the others (Instant-NGP, RAD-NeRF).

    density seen at a point of each cell --dilate--> update --threshold--> occupied --at--> whether a sample counts

The state is one array [cascade x y z]: the highest density met lately, or UNSEEN. Cascade c covers twice the cube that
c - 1 covers, with as many cells, so what is farther out is coarser. All of this is elementwise but for one lookup.
"""

import dataclasses
import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, Shaped

from jaxtalk.face.camera import Pinhole

UNSEEN = -1.0  # the density of cells that no camera sees
DECAY = 0.95  # what is left after an update of a density that is met no more
HIGHEST = 10.0  # the threshold for the field's density; RAD-NeRF's, and 0.01 for the torso's opacity


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cells:
    """The cube [-bound, bound]^3, and how it is cut."""

    bound: float = 1.0
    side: int = 128  # cells along each axis of each cascade

    @property
    def cascades(self) -> int:
        return 1 + max(math.ceil(math.log2(self.bound)), 0)

    def reach(self, cascade: int) -> float:
        """Half the side of a cascade's cube."""
        return min(2.0**cascade, self.bound)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (self.cascades, self.side, self.side, self.side)


def empty(cells: Cells) -> Float[Array, "c h h h"]:
    return jnp.zeros(cells.shape)


def full(cells: Cells, highest: float = HIGHEST) -> Float[Array, "c h h h"]:
    """All of space, until it is known better."""
    return jnp.full(cells.shape, 2 * highest)


def places(cells: Cells, rng: PRNGKeyArray | None = None) -> Float[Array, "c h h h 3"]:
    """A point in each cell: its centre or, with `rng`, anywhere in it."""
    axis = (2 * jnp.arange(cells.side) + 1) / cells.side - 1
    centres = jnp.stack(jnp.meshgrid(axis, axis, axis, indexing="ij"), -1)
    points = jnp.stack([cells.reach(cascade) * centres for cascade in range(cells.cascades)])
    if rng is None:
        return points
    half = jnp.asarray([cells.reach(cascade) / cells.side for cascade in range(cells.cascades)])
    return points + half[:, None, None, None, None] * jax.random.uniform(rng, points.shape, minval=-1.0)


def dilate(density: Shaped[Array, "*c h h h"]) -> Shaped[Array, "*c h h h"]:
    """The highest of each cell and its six neighbours across a face; of what is occupied, whether any of them is."""
    result = density
    for axis in (-3, -2, -1):
        moved = jnp.moveaxis(density, axis, -1)
        before = jnp.concatenate([moved[..., :1], moved[..., :-1]], -1)
        after = jnp.concatenate([moved[..., 1:], moved[..., -1:]], -1)
        result = jnp.maximum(result, jnp.moveaxis(jnp.maximum(before, after), -1, axis))
    return result


def dilate_picture(opacity: Float[Array, "h w"]) -> Float[Array, "h w"]:
    """The highest of the 5 x 5 pixels around each: what RAD-NeRF's torso does to its two-dimensional grid."""
    return jax.lax.reduce_window(opacity, -jnp.inf, jax.lax.max, (5, 5), (1, 1), "SAME")


def update(grid: Float[Array, "*n"], density: Float[Array, "*n"], decay: float = DECAY) -> Float[Array, "*n"]:
    """The grid after a (dilated) look at the field: what is no longer met fades; unseen cells stay so."""
    known = (grid >= 0) & (density >= 0)
    return jnp.where(known, jnp.maximum(decay * grid, density), grid)


def refresh(
    grid: Float[Array, "c h h h"],
    cells: Cells,
    density: Callable[[Float[Array, "n 3"]], Float[Array, "n"]],
    rng: PRNGKeyArray,
    slabs: int = 16,
) -> Float[Array, "c h h h"]:
    """The grid after a look at one in `slabs` of its cells, so that every training step costs the same.

    `density` is asked at a random point of each cell of a random slab across x; nothing of it is differentiated. Slabs
    end somewhere, so nothing is dilated here: `dilate` what is occupied instead. `slabs` must divide the cells' side.
    """
    if cells.side % slabs:
        raise ValueError(f"{slabs} slabs do not divide {cells.side} cells")
    which, jitter = jax.random.split(rng)
    thick = cells.side // slabs
    start = thick * jax.random.randint(which, (), 0, slabs)
    centres = jax.lax.dynamic_slice_in_dim(places(cells), start, thick, axis=1)
    half = jnp.asarray([cells.reach(cascade) / cells.side for cascade in range(cells.cascades)])
    points = centres + half[:, None, None, None, None] * jax.random.uniform(jitter, centres.shape, minval=-1.0)
    met = jax.lax.stop_gradient(density(points.reshape(-1, 3))).reshape(points.shape[:-1])
    old = jax.lax.dynamic_slice_in_dim(grid, start, thick, axis=1)
    return jax.lax.dynamic_update_slice_in_dim(grid, update(old, met), start, axis=1)


def threshold(grid: Float[Array, "*n"], highest: float = HIGHEST) -> Float[Array, ""]:
    """What a cell must exceed to be occupied: the mean (while the field is thin everywhere), at most `highest`."""
    return jnp.minimum(jnp.mean(jnp.maximum(grid, 0.0)), highest)


def occupied(grid: Float[Array, "*n"], highest: float = HIGHEST) -> Bool[Array, "*n"]:
    return grid > threshold(grid, highest)


def at(
    known: Shaped[Array, "c h h h"], cells: Cells, points: Float[Array, "*n 3"], width: Float[Array, "*n"]
) -> Shaped[Array, "*n"]:
    """What is known of each point's cell; of the cascade that holds the point and whose cells a step fits into.

    Where the question is whether cells are occupied, a byte for each is small enough for caches: bits would save memory
    and cost instructions.
    """
    x, y, z = (points[..., axis] for axis in range(3))
    extent = jnp.maximum(jnp.maximum(jnp.maximum(jnp.abs(x), jnp.abs(y)), jnp.abs(z)), width * cells.side / 2)
    cascade, reach = jnp.zeros(extent.shape, jnp.int32), jnp.full(extent.shape, cells.reach(0))
    for k in range(cells.cascades - 1):
        beyond = extent >= 2.0**k
        cascade, reach = cascade + beyond, jnp.where(beyond, cells.reach(k + 1), reach)
    index = cascade
    for component in (x, y, z):
        place = jnp.clip(0.5 * (component / reach + 1) * cells.side, 0.0, cells.side - 1.0)
        index = index * cells.side + place.astype(jnp.int32)
    return known.reshape(-1).at[index].get(mode="promise_in_bounds")


def seen(
    cells: Cells,
    camera: Pinhole,
    rotation: Float[Array, "t 3 3"],
    translation: Float[Array, "t 3"],
    height: int,
    width: int,
) -> Bool[Array, "c h h h"]:
    """Cells that may show in one of t pictures, where points are drawn at rotation x + translation.

    A cell counts as the ball around it, so none is missed at the rim. Begin training with
    `jnp.where(seen, 0.0, UNSEEN)`: matter where no picture looks would never be corrected.
    """
    centres = places(cells).reshape(-1, 3)
    radius = jnp.asarray([math.sqrt(3) * cells.reach(cascade) / cells.side for cascade in range(cells.cascades)])
    radius = jnp.repeat(radius, cells.side**3)
    size = jnp.asarray([[width, height]], jnp.float32)

    def look(found, pose):
        turn, shift = pose
        screen = camera.project(jnp.matmul(centres, turn.T, precision="highest") + shift[None])
        margin = (camera.focal * radius / screen[:, 2])[:, None]
        inside = ((screen[:, :2] >= -margin) & (screen[:, :2] <= size + margin)).all(-1)
        around = jnp.abs(screen[:, 2]) <= radius  # the camera's plane cuts the ball: its picture has no rim
        return found | (inside & (screen[:, 2] > 0)) | around, None

    found, _ = jax.lax.scan(look, jnp.zeros(len(centres), bool), (rotation, translation))
    return found.reshape(cells.shape)


def from_morton(values: Shaped[Array, "c n"]) -> Shaped[Array, "c h h h"]:
    """A published grid in ours: there cells follow each other along a Morton curve."""
    return values[:, _morton(round(values.shape[1] ** (1 / 3)))]


def to_morton(grid: Shaped[Array, "c h h h"]) -> Shaped[Array, "c n"]:
    """The inverse of `from_morton`; `jnp.packbits(..., bitorder="little")` of it is the published bit field."""
    flat = grid.reshape(len(grid), -1)
    return jnp.zeros_like(flat).at[:, _morton(grid.shape[1]).reshape(-1)].set(flat, unique_indices=True)


@functools.cache
def _morton(side: int) -> np.ndarray:
    """Where each cell (x, y, z) is on the curve: bit k of x is bit 3 k there, of y bit 3 k + 1, of z bit 3 k + 2."""
    axis = np.arange(side)
    spread = sum(((axis >> k) & 1) << (3 * k) for k in range(side.bit_length()))
    return spread[:, None, None] | (spread[:, None] << 1) | (spread << 2)
