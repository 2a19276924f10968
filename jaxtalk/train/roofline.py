"""How long a compiled step must take at least, and how it would scale: arithmetic on stated figures, not a measurement.

A chip's operations run one after another, each as fast as the slower of its products and its memory traffic allows:
sum of max(flops / peak, bytes / bandwidth). Collectives go around rings of neighbours, in both directions of every axis
of the torus that their group spans, and between slices over the network:

    all-reduce  2 (n - 1) / n bytes / speed      all-gather, reduce-scatter, all-to-all  (n - 1) / n bytes / speed

and 1 microsecond for each hop from neighbour to neighbour, 50 between slices. Between slices each chip passes on its
part of what its slice has reduced.

Two assumptions bound what collectives cost. `waits`: the chip computes nothing meanwhile. `hides`: what crosses the
axes that split batches (gradients on their way out, parameters on their way in) goes on under the backward pass, two
thirds of the work, and only what does not fit there is waited for; activations between tensor-parallel matrices and
between parts of time are always waited for. Not in it: stragglers, input, checkpoints, and kernels that fall short of
the roof.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping

from jaxtalk.train.chips import Chip
from jaxtalk.train.collectives import Collective
from jaxtalk.train.mesh import AXES, BATCH_AXES
from jaxtalk.train.work import Work

HOP = 1e-6  # seconds from neighbour to neighbour (the scaling book reckons with 0.5 to 1)
NETWORK_HOP = 50e-6  # seconds from slice to slice; assumed
BACKWARD = 2 / 3  # of a step's work, under which gradients travel


@dataclasses.dataclass(frozen=True, kw_only=True)
class Slice:
    """The neighbourhood of chips: sides of the torus, and which of them are rings."""

    shape: tuple[int, ...]
    rings: tuple[bool, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """Seconds of a step on one chip."""

    products: float
    """All products of matrices at the chip's peak."""
    memory: float
    """All memory traffic at its bandwidth."""
    work: float
    """Operation by operation, the slower of the two."""
    collectives: float
    """All, were nothing computed meanwhile."""
    exposed: float
    """Those that cannot be hidden under the backward pass."""

    @property
    def waits(self) -> float:
        return self.work + self.collectives

    @property
    def hides(self) -> float:
        return self.work + self.exposed


def step(
    work: Iterable[Work], collectives: Iterable[Collective], chip: Chip, mesh: Mapping[str, int], slice: Slice
) -> Step:
    """The times of a step on a mesh (sizes by axis) of which each slice is one of `slice`."""
    work = list(work)
    products = sum(w.times * w.flops for w in work) / chip.flops
    memory = sum(w.times * w.bytes for w in work) / chip.bandwidth
    slower = sum(w.times * max(w.flops / chip.flops, w.bytes / chip.bandwidth) for w in work)
    hideable = waiting = 0.0
    for collective in collectives:
        cost = collective.times * seconds(collective, chip, mesh, slice)
        if _of_gradients(collective):
            hideable += cost
        else:
            waiting += cost
    exposed = waiting + max(0.0, hideable - BACKWARD * slower)
    return Step(products=products, memory=memory, work=slower, collectives=hideable + waiting, exposed=exposed)


def _of_gradients(collective: Collective) -> bool:
    """Along axes that split batches; gradients also meet along `sequence`, on which alone activations travel."""
    along = set(collective.axes)
    return bool(along & set(BATCH_AXES)) and along <= {*BATCH_AXES, "sequence"}


def seconds(collective: Collective, chip: Chip, mesh: Mapping[str, int], slice: Slice) -> float:
    """One collective, were nothing else going on."""
    across = mesh["slice"] if "slice" in collective.axes else 1
    within = [axis for axis in collective.axes if axis != "slice"]
    ways = min(collective.ways, math.prod(mesh[axis] for axis in within)) if within else 1
    total, shared = 0.0, float(collective.bytes)
    if ways > 1:
        speed, hops = _neighbours(ways, chip, slice)
        total += _around(collective.kind, collective.bytes, ways) / speed + hops * HOP * _passes(collective.kind)
        shared /= ways
    if across > 1:
        total += _around(collective.kind, shared, across) / chip.network
        total += (across - 1) * NETWORK_HOP * _passes(collective.kind)
    return total


def _around(kind: str, size: int | float, ways: int) -> float:
    """Bytes that each of `ways` chips sends."""
    return float(size) if kind == "collective-permute" else _passes(kind) * size * (ways - 1) / ways


def _passes(kind: str) -> int:
    return 2 if kind == "all-reduce" else 1  # a reduction that is scattered, then a gathering


def _neighbours(ways: int, chip: Chip, slice: Slice) -> tuple[float, int]:
    """Bytes a second out of each chip, and the longest way in hops, for groups of `ways` chips.

    The last axis of a mesh lies along the first sides that hold it; groups that need several sides use all their links.
    A side that is no ring has a wire in one direction only at its ends: half the speed.
    """
    speed, hops, left = 0.0, 0, ways
    for side, ring in sorted(zip(slice.shape, slice.rings, strict=True), reverse=True):
        if left <= 1 or side <= 1:
            continue
        used = min(side, left)
        closed = ring and used == side
        speed += chip.links / chip.axes / (1 if closed else 2)
        hops += used // 2 if closed else used - 1
        left = math.ceil(left / side)
    return speed or chip.links / chip.axes / 2, max(hops, 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scaled:
    """A step on another number of chips, each with the same work."""

    chips: int
    slices: int
    waits: float
    """Seconds of a step."""
    hides: float
    efficiency_waits: float
    """Examples a second of each chip, of those of a single chip."""
    efficiency_hides: float


def weak_scaling(
    work: Iterable[Work],
    collectives: Iterable[Collective],
    chip: Chip,
    mesh: Mapping[str, int],
    counts: Iterable[int] = tuple(2**k for k in range(12)),
) -> list[Scaled]:
    """The step replayed on 1 to 2048 chips: groups along the axes that split batches grow, the others stay.

    Counts that sequence and tensor groups do not divide are left out.
    """
    work, collectives, found = list(work), list(collectives), []
    for chips in counts:
        if chips % (mesh["sequence"] * mesh["tensor"]):
            continue
        slices = math.ceil(chips / chip.largest)
        sizes = _sizes(mesh, chips, slices)
        grown = [_grown(collective, mesh, sizes) for collective in collectives]
        times = step(work, [c for c in grown if c.ways > 1], chip, sizes, nearest_slice(chip, chips // slices))
        found.append(
            Scaled(
                chips=chips,
                slices=slices,
                waits=times.waits,
                hides=times.hides,
                efficiency_waits=times.work / times.waits,
                efficiency_hides=times.work / times.hides,
            )
        )
    return found


def _sizes(mesh: Mapping[str, int], chips: int, slices: int) -> dict[str, int]:
    sequence, tensor = mesh["sequence"], mesh["tensor"]
    left = chips // slices // (sequence * tensor)
    fsdp = math.gcd(left, mesh["fsdp"]) if mesh["data"] > 1 else left
    return dict(zip(AXES, (slices, left // fsdp, fsdp, sequence, tensor), strict=True))


def _grown(collective: Collective, mesh: Mapping[str, int], sizes: Mapping[str, int]) -> Collective:
    """The collective along the same axes of another mesh."""
    axes = set(collective.axes)
    outermost = "data" if mesh["data"] > 1 else "fsdp"
    if mesh["slice"] == 1 and outermost in axes and collective.kind in ("all-reduce", "reduce-scatter"):
        axes.add("slice")  # parameters are whole in each slice, so gradients would meet between slices
    whole = collective.ways == math.prod(mesh[axis] for axis in collective.axes)
    ways = math.prod(sizes[axis] for axis in axes) if whole else collective.ways
    axes = tuple(axis for axis in AXES if axis in axes and sizes[axis] > 1)
    return dataclasses.replace(collective, axes=axes, ways=min(ways, math.prod(sizes.values())))


def nearest_slice(chip: Chip, chips: int) -> Slice:
    """A slice of so many chips, a power of two, with sides as alike as they can be."""
    shape = [1] * chip.axes
    while math.prod(shape) < chips:
        shape[shape.index(min(shape))] *= 2
    shape = tuple(sorted(shape))
    return Slice(shape=shape, rings=tuple(side % chip.ring == 0 for side in shape))
