"""What chips say to each other in a compiled step, read from its text: kind, bytes, axes of the mesh, how often.

XLA names the devices of a collective by groups of numbers, which are places in the mesh; here they are told by the axes
of the mesh along which they run. For several slices libtpu writes the program of one: numbers are places within it, and
what crosses the network is a `send` to its runtime that names the collective.
"""

import dataclasses
import itertools
import math
import re
from collections.abc import Callable, Mapping

import numpy as np

from jaxtalk.train.hlo import Operation, Program

_NETWORK = "_xla_megascale_transfer_type="
KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Collective:
    kind: str
    axes: tuple[str, ...]
    """Of the mesh, along which devices speak."""
    ways: int
    """Devices in a group; fewer than the axes have where XLA cut an axis that does not divide something."""
    bytes: int
    """Of the whole array that a group shares: before a reduction is scattered, after a gathering."""
    times: int = 1
    """In a step: loops repeat it."""
    hidden: bool = False
    """Whether the compiler begins it early and may compute meanwhile."""
    shapes: tuple[tuple[int, ...], ...] = ()
    source: str = ""
    """The operation of the model that it comes from."""


def read(program: Program, mesh: Mapping[str, int]) -> list[Collective]:
    """All collectives of a step that was compiled for a mesh, given by the sizes of its axes in their order."""
    found = [
        _collective(operation, name, mesh, times)
        for name, times in program.reached()
        for operation in program.computations[name].values()
        if operation.kind.removesuffix("-start") in KINDS or _crosses(operation)
    ]
    return [collective for collective in found if collective.axes]


def summary(collectives: list[Collective], seconds: Callable[[Collective], float]) -> list[dict]:
    """By kind and axes: how many in a step, of how many bytes, and how long by `seconds`; the longest first."""
    rows = []
    key = lambda c: (c.kind, c.axes)  # noqa: E731
    for (kind, axes), group in itertools.groupby(sorted(collectives, key=key), key):
        group = list(group)
        rows.append(
            {
                "kind": kind,
                "axes": list(axes),
                "count": sum(c.times for c in group),
                "bytes": sum(c.times * c.bytes for c in group),
                "seconds": sum(c.times * seconds(c) for c in group),
                "begun_early": sum(c.times * c.bytes for c in group if c.hidden),
            }
        )
    return sorted(rows, key=lambda row: -row["seconds"])


def _collective(operation: Operation, computation: str, mesh: Mapping[str, int], times: int) -> Collective:
    if _crosses(operation):
        return _between_slices(operation, mesh, times)
    kind, started = operation.kind.removesuffix("-start"), operation.kind.endswith("-start")
    size = sum(shape.bytes for shape in operation.shapes)
    if kind == "collective-permute":
        axes, ways = _permuted(operation.attributes, mesh), 1
        size = size // 2 if started else size
    else:
        groups = _groups(operation.attributes, math.prod(mesh.values()))
        axes, ways = _axes(groups, mesh), groups.shape[1]
    if started and kind in ("all-gather", "reduce-scatter"):  # it gives what went in and what will come out
        size = size * ways // (ways + 1)
    elif kind == "reduce-scatter":
        size *= ways
    elif kind == "all-reduce" and computation.startswith("all-reduce-scatter"):  # how TPUs write it
        kind = "reduce-scatter"
    return Collective(
        kind=kind,
        axes=axes,
        ways=ways,
        bytes=size,
        times=times,
        hidden=started or computation.startswith("async_collective"),
        shapes=tuple(shape.sides for shape in operation.shapes),
        source=operation.source,
    )


def _crosses(operation: Operation) -> bool:
    return operation.kind == "send" and _NETWORK in operation.attributes


def _between_slices(operation: Operation, mesh: Mapping[str, int], times: int) -> Collective:
    """Of the part of an array that one chip holds; the runtime carries it while the chip goes on."""
    kind = operation.attributes.partition(_NETWORK)[2].split('"')[1].lower().replace("_", "-")
    size = operation.shapes[0].bytes  # beside a number and a token
    return Collective(kind=kind, axes=("slice",), ways=mesh["slice"], bytes=size, times=times, hidden=True)


def _groups(text: str, devices: int) -> np.ndarray:
    """[groups, devices in each]; all devices where none are named.

    Written `{{0,1},{2,3}}`, or `[2,2]<=[4]`, or `[2,2]<=[2,2]T(1,0)`, or `mesh['a'=2,'b'=2] {'b'}`.
    """
    text = text.partition("replica_groups=")[2]
    if match := re.match(r"\[([\d,]+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?", text):
        shape, tiles, order = (_numbers(part) for part in match.groups())
        numbers = np.arange(math.prod(tiles)).reshape(tiles)
        return (numbers.transpose(order) if order else numbers).reshape(shape)
    if match := re.match(r"\{(\{[\d,{} ]*\})\}", text):
        return np.array([_numbers(group) for group in re.findall(r"\{([\d, ]+)\}", match[1])])
    if text.startswith("mesh"):
        return _named(text)
    return np.arange(devices)[None]


def _named(text: str) -> np.ndarray:
    """Groups along axes of a mesh that XLA made up, perhaps of devices in another order (`device_ids=([2,4]T(1,0))`).

    An axis may be cut: `'a':(2)4` is the part of 4 places behind one of 2.
    """
    sizes = {name: int(size) for name, size in re.findall(r"'([^']+)'=(\d+)", text.partition("]")[0])}
    along = re.search(r"\{([^}]*)\}", text)[1]
    chosen = {name: (before, part) for name, before, part in re.findall(r"'([^']+)'(?::\((\d+)\)(\d+))?", along)}
    parts = []  # of the axes in their order: size, whether groups run along it
    for name, size in sizes.items():
        before, middle = (int(n or 0) for n in chosen.get(name, (0, 0)))
        if middle:
            parts += [(before, False), (middle, True), (size // before // middle, False)]
        else:
            parts.append((size, name in chosen))
    numbers = _order(text, math.prod(sizes.values())).reshape([size for size, _ in parts])
    last = [i for i, (_, inside) in enumerate(parts) if inside]
    ways = math.prod(parts[i][0] for i in last)
    return np.moveaxis(numbers, last, range(-len(last), 0)).reshape(-1, ways)


def _order(text: str, devices: int) -> np.ndarray:
    if match := re.search(r"device_ids=\(\[([\d,]+)\](?:T\(([\d,]+)\))?\)", text):
        tiles, order = map(_numbers, match.groups())
        numbers = np.arange(devices).reshape(tiles)
        return numbers.transpose(order) if order else numbers
    match = re.search(r"device_ids=\(([\d,]+)\)", text)
    return np.array(_numbers(match[1])) if match else np.arange(devices)


def _numbers(text: str | None) -> tuple[int, ...]:
    return tuple(int(n) for n in text.split(",")) if text else ()


def _axes(groups: np.ndarray, mesh: Mapping[str, int]) -> tuple[str, ...]:
    """The axes along which the groups run."""
    places = np.unravel_index(groups, tuple(mesh.values()))  # of each axis, [groups, devices]
    return tuple(name for name, place in zip(mesh, places, strict=True) if (place != place[:, :1]).any())


def _permuted(text: str, mesh: Mapping[str, int]) -> tuple[str, ...]:
    """The axes along which devices send to others."""
    pairs = re.search(r"source_target_pairs=\{([\d,{} ]*)\}", text)
    pairs = np.array(re.findall(r"(\d+),\s*(\d+)", pairs[1]), int).reshape(-1, 2) if pairs else np.zeros((0, 2), int)
    places = np.unravel_index(pairs, tuple(mesh.values()))
    return tuple(name for name, place in zip(mesh, places, strict=True) if (place[:, 0] != place[:, 1]).any())
