"""Samples of rays in occupied space only, with static shapes (the marching of Instant-NGP and RAD-NeRF).

    rays, near, far [r] --march--> Samples [r s] --pack--> one budget [n] --field--> [n c] --unpack--> [r s c]

Along its ray, a sample can only lie on the ray's lattice: steps that grow with distance between two limits. Walking it
cell by cell would be a loop with an end for each ray. Instead all points of the lattice are tested at once, 32 of them
into a word, and the first `most` set bits of each ray are found by counting bits. Nothing of the lattice's size is
kept, nor is there a lookup but that of the cells.

`Samples` are padded: a ray has room for `most`, in order of distance, and those it does not use have width zero. As
many rays meet nothing, the field is evaluated on a `Packed` budget of them all. Samples carry no gradient; points do.
"""

import dataclasses
import functools
import math
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Shaped, UInt32

from jaxtalk.render import occupancy
from jaxtalk.render.occupancy import Cells
from jaxtalk.render.rays import Rays

WORD = 32  # bits


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lattice:
    """Where along a ray samples may lie: steps of `growth` times the distance, between `shortest` and `longest`."""

    cells: Cells = Cells()
    most: int = 16  # samples on a ray
    growth: float = 1 / 256

    @property
    def longest(self) -> float:
        """The diagonal of the coarsest cascade's cells."""
        return 2 * math.sqrt(3) * 2 ** (self.cells.cascades - 1) / self.cells.side

    @property
    def shortest(self) -> float:
        return min(self.longest, 2 * math.sqrt(3) / self.most)

    @functools.cached_property
    def length(self) -> int:
        """Points that the longest ray in the cube can need, if its direction is not shorter than one."""
        distance, count = 0.0, 0
        while distance < 2 * math.sqrt(3) * self.cells.bound * (1 - 1e-6):
            distance += min(max(self.growth * distance, self.shortest), self.longest)
            count += 1
        return count

    def width(self, distance: Float[Array, "*r"]) -> Float[Array, "*r"]:
        """The step from a distance to the next."""
        return jnp.clip(self.growth * distance, self.shortest, self.longest)

    def distance(self, start: Float[Array, "*r"], index: Int[Array, "*r"]) -> Float[Array, "*r"]:
        """Where the step of this index begins: equal steps, then growing ones, then equal ones again."""
        short, long = self.shortest, self.longest
        if short == long or self.growth == 0:
            return start + short * index
        equal = jnp.maximum(jnp.ceil((short / self.growth - start) / short), 0.0)
        grown_from = start + short * equal
        rate = math.log1p(self.growth)
        growing = jnp.maximum(jnp.ceil(jnp.log(long / self.growth / grown_from) / rate), 0.0)
        first, second = jnp.minimum(index, equal), jnp.clip(index - equal, 0.0, growing)
        grown = jnp.where(second > 0, grown_from * jnp.exp(rate * second), start + short * first)
        return grown + long * jnp.maximum(index - equal - growing, 0.0)


class Samples(NamedTuple):
    """Samples of rays in order of distance; those that a ray does not use come last and have width zero."""

    distance: Float[Array, "r s"]  # where the field is asked
    width: Float[Array, "r s"]  # the step that begins there

    @property
    def there(self) -> Bool[Array, "r s"]:
        return self.width > 0

    @property
    def end(self) -> Float[Array, "r s"]:
        """Where the steps end: what RAD-NeRF takes for the distance of a sample when it computes depth."""
        return self.distance + self.width


class Packed(NamedTuple):
    """The samples of all rays in one budget, ray after ray."""

    ray: Int[Array, "n"]
    sample: Int[Array, "n"]  # which of the ray's
    there: Bool[Array, "n"]  # whether the slot is in use
    first: Int[Array, "r"]  # the slot of each ray's first sample
    count: Int[Array, "r"]  # how many samples of each ray are in the budget
    dropped: Int[Array, ""]  # how many of all did not fit


def march(
    rays: Rays,  # [r 3]
    near: Float[Array, "r"],
    far: Float[Array, "r"],
    occupied: Bool[Array, "c h h h"],
    lattice: Lattice,
    noise: Float[Array, "r"] | None = None,
) -> Samples:
    """The first `lattice.most` points of each ray's lattice between near and far that lie in occupied cells.

    `noise` in [0, 1) moves each lattice by that share of its first step, as training wants.
    """
    rays, near, far = lax.stop_gradient((rays, near, far))
    start = near if noise is None else near + lattice.width(near) * noise
    words = _words(rays, start, far, occupied, lattice)
    index, there = _set_bits(words, lattice.most)
    distance = lattice.distance(jnp.broadcast_to(start[:, None], index.shape), index)
    return Samples(jnp.where(there, distance, 0.0), jnp.where(there, lattice.width(distance), 0.0))


def thinned(samples: Samples, budget: int, noise: Float[Array, "r"] | None = None) -> Samples:
    """At most about `budget` samples in all: every k-th of each ray, k times as wide, with the smallest k that does.

    So a field of which nothing is known yet, where all of space counts as occupied, is looked at coarsely along the
    whole of each ray. `noise` in [0, 1) says which of its first k samples a ray begins with.
    """
    rays, most = samples.width.shape
    every = jnp.maximum(-(-jnp.sum(samples.there) // budget), 1)
    first = jnp.zeros(rays, jnp.int32) if noise is None else (noise * every).astype(jnp.int32)
    chosen = first[:, None] + every * jnp.arange(most)[None]
    distance, width = (
        jnp.take_along_axis(x, jnp.minimum(chosen, most - 1), axis=-1, mode="promise_in_bounds") for x in samples
    )
    return Samples(jnp.where(chosen < most, distance, 0.0), jnp.where(chosen < most, every * width, 0.0))


def unhidden(
    samples: Samples, rays: Rays, density: Float[Array, "c h h h"], lattice: Lattice, least: float = 1e-3
) -> Samples:
    """Without those behind so much matter that less than `least` of the light behind it passes.

    `density` is what the occupancy grid has met. It is the highest in each cell, so half of it is counted. The inside
    of a solid thing is never seen, nothing tells its density, and without this most samples of a ray would lie there.
    A cell's matter may all lie at its far end, so it hides only what is a cell's diagonal behind.
    """
    cells = lattice.cells
    met = occupancy.at(density, cells, points(rays, samples.distance, cells.bound), samples.width)
    passed = jnp.cumsum(0.5 * jnp.maximum(met, 0.0) * samples.width, axis=-1)
    later = min(math.ceil(lattice.longest / lattice.shortest), lattice.most)
    before = jnp.pad(passed, ((0, 0), (later, 0)))[:, : lattice.most]
    seen = before < -math.log(least)
    return Samples(jnp.where(seen, samples.distance, 0.0), jnp.where(seen, samples.width, 0.0))


def points(rays: Rays, distance: Float[Array, "*r s"], bound: float) -> Float[Array, "*r s 3"]:
    """Points of rays, kept in the cube: rounding may put the last ones outside."""
    return jnp.clip(rays.at(distance), -bound, bound)


def pack(samples: Samples, budget: int) -> Packed:
    """A place in the budget for each sample that is there.

    If they are too many, all rays lose their farthest ones: each keeps at most as many as makes them fit. (RAD-NeRF
    leaves the last rays empty.) So an overflow shows in `dropped` and hardly in the picture.
    """
    rays, most = samples.width.shape
    slot = jnp.arange(budget)
    totals = jnp.cumsum(jnp.sum(samples.there, 0))  # if no ray had more than 1, 2, ... samples
    limit = jnp.sum(totals <= budget)
    count = jnp.minimum(jnp.sum(samples.there, -1), limit)
    end = jnp.cumsum(count)
    # The ray of a slot is the number of rays that end at or before it.
    ray = jnp.cumsum(jnp.zeros(budget, jnp.int32).at[end].add(1, mode="drop"))
    ray = jnp.minimum(ray, rays - 1)
    first = end - count
    sample = jnp.clip(slot - first[ray], 0, most - 1)
    return Packed(ray, sample, slot < end[-1], first, count, totals[-1] - end[-1])


def pick(packed: Packed, values: Shaped[Array, "r s ..."]) -> Shaped[Array, "n ..."]:
    """The values of the packed samples; slots that are not in use get those of some sample."""
    return values[packed.ray, packed.sample]


def unpack(packed: Packed, values: Shaped[Array, "n ..."], most: int) -> Shaped[Array, "r {most} ..."]:
    """Back to rays, zero where nothing was packed. Its gradient writes every slot at most once."""
    sample = jnp.arange(most)[None]
    index = packed.first[:, None] + sample
    beyond = len(values) + jnp.arange(index.size).reshape(index.shape)  # each its own, so that all differ
    index = jnp.where(sample < packed.count[:, None], index, beyond)
    return values.at[index].get(mode="fill", fill_value=0, unique_indices=True)


def _words(rays, start, far, occupied, lattice: Lattice) -> UInt32[Array, "r w"]:
    """Bit i of word w of a ray: whether point 32 w + i of its lattice is in reach and in an occupied cell."""
    count = -(-lattice.length // WORD)
    index = jnp.arange(count * WORD).reshape(1, count, WORD)
    start = jnp.broadcast_to(start[:, None, None], (len(start), count, WORD))
    distance = lattice.distance(start, jnp.broadcast_to(index, start.shape))
    origin, direction = (vectors[:, None, None] for vectors in rays)
    place = jnp.clip(origin + distance[..., None] * direction, -lattice.cells.bound, lattice.cells.bound)
    hit = occupancy.at(occupied, lattice.cells, place, lattice.width(distance)) & (distance < far[:, None, None])
    bits = hit.astype(jnp.uint32) << jnp.arange(WORD, dtype=jnp.uint32)[None, None]
    return jnp.sum(bits, -1, dtype=jnp.uint32)


def _set_bits(words: UInt32[Array, "r w"], most: int) -> tuple[Int[Array, "r {most}"], Bool[Array, "r {most}"]]:
    """Positions of each ray's first set bits, in order, and whether there are so many."""
    ones = _ones(words)
    end = jnp.cumsum(ones, -1)
    wanted = jnp.broadcast_to(jnp.arange(most)[None], (len(words), most))
    which = jnp.zeros(wanted.shape, jnp.int32)
    for column in range(words.shape[1] - 1):
        which = which + (wanted >= end[:, column, None])
    word, left = (jnp.take_along_axis(array, which, -1, mode="promise_in_bounds") for array in (words, end - ones))
    left, place = wanted - left, WORD * which
    for half in (16, 8, 4, 2, 1):  # is it among the lower bits?
        lower = _ones(word & jnp.uint32((1 << half) - 1))
        above = left >= lower
        left, place = left - above * lower, place + half * above
        word = jnp.where(above, word >> half, word)
    return place, wanted < end[:, -1:]


def _ones(words: UInt32[Array, "*w"]) -> Int[Array, "*w"]:
    return lax.population_count(words).astype(jnp.int32)
