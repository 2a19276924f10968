"""Compiled programs as text (HLO), read far enough to count: operations by computation, and how often each runs.

%fusion.3 = bf16[8,768,1024]{2,1,0:T(8,128)(2,1)} fusion(%a, %b), kind=kOutput, calls=%fused_computation.3, ...
name        type                                  kind   operands  attributes
"""

import dataclasses
import math
import re
from collections.abc import Iterator

_BYTES = {"pred": 1, "s4": 0.5, "u4": 0.5, "token": 0, "opaque": 0}  # others have their bits in their names
_ARRAY = re.compile(r"\b([a-z]+\d*\w*)\[([\d,]*)\](\{[^}]*\})?")
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.-]+) .*\{$")
_NAME = re.compile(r"^\s+(ROOT )?%?([\w.-]+) = ")
_CALLED = re.compile(r"(?:calls|to_apply|body|condition)=%?([\w.-]+)|branch_computations=\{([^}]*)\}")
_TRIPS = re.compile(r"known_trip_count\W+n\W+(\d+)")


@dataclasses.dataclass(frozen=True)
class Shape:
    """An array's."""

    kind: str
    sides: tuple[int, ...]
    on_chip: bool = False  # kept in memory that costs nothing to reach (TPU: VMEM, memory space 1)

    @property
    def bytes(self) -> int:
        width = _BYTES[self.kind] if self.kind in _BYTES else int(re.search(r"\d+", self.kind)[0]) / 8
        return int(width * math.prod(self.sides))


@dataclasses.dataclass(frozen=True)
class Operation:
    name: str
    shapes: tuple[Shape, ...]  # several for a tuple
    kind: str
    operands: tuple[str, ...]
    attributes: str  # all that follows the kind
    root: bool = False

    @property
    def called(self) -> list[str]:
        """Computations that it runs."""
        found = []
        for one, several in _CALLED.findall(self.attributes):
            found += [one] if one else [name.strip().lstrip("%") for name in several.split(",")]
        return found

    @property
    def source(self) -> str:
        """The operation of the model that it comes from."""
        match = re.search(r'op_name="([^"]*)"', self.attributes)
        return match[1] if match else ""


@dataclasses.dataclass(frozen=True)
class Program:
    computations: dict[str, dict[str, Operation]]  # by name; the one that is run is ENTRY

    def running(self) -> Iterator[tuple[str, int]]:
        """Computations whose operations run one after another, and how often each does: ENTRY, loops, branches.

        What fusions and reductions call is not among them. Loops of unknown length count once.
        """
        yield from self._times(lambda operation: operation.kind in ("while", "conditional", "call"))

    def reached(self) -> Iterator[tuple[str, int]]:
        """All computations that run at all, and how often."""
        yield from self._times(lambda operation: True)

    def _times(self, follow) -> Iterator[tuple[str, int]]:
        times, todo = {}, [("ENTRY", 1)]
        while todo:
            name, count = todo.pop()
            if count <= times.get(name, 0) or name not in self.computations:
                continue
            times[name] = count
            for operation in filter(follow, self.computations[name].values()):
                turns = self._turns(operation) if operation.kind == "while" else 1
                todo += [(called, count * turns) for called in operation.called]
        yield from times.items()

    def _turns(self, loop: Operation) -> int:
        """Of a loop whose length XLA tells, or that counts from 0 up to a constant, as scans do; 1 of others."""
        if known := _TRIPS.search(loop.attributes):
            return int(known[1])
        condition = self.computations[re.search(r"condition=%?([\w.-]+)", loop.attributes)[1]]
        root = next(operation for operation in condition.values() if operation.root)
        ends = [condition[name] for name in root.operands if condition[name].kind == "constant"]
        number = re.match(r"(\d+)\)", ends[0].attributes) if ends and "direction=LT" in root.attributes else None
        return int(number[1]) if number else 1


def parse(text: str) -> Program:
    computations, operations = {}, {}
    for line in text.splitlines():
        match = _COMPUTATION.match(line)
        if match:
            operations = computations["ENTRY" if match[1] else match[2]] = {}
        elif match := _NAME.match(line):
            operation = _operation(match[2], line[match.end() :], bool(match[1]))
            operations[operation.name] = operation
    return Program(computations)


def _operation(name: str, rest: str, root: bool) -> Operation:
    shape_end = _closing(rest) if rest.startswith("(") else rest.index(" ")
    kind, _, arguments = rest[shape_end:].lstrip().partition("(")
    end = _closing("(" + arguments) - 1
    shapes = tuple(
        Shape(kind, tuple(int(side) for side in sides.split(",") if side), "S(1)" in layout)
        for kind, sides, layout in _ARRAY.findall(rest[:shape_end])
    )
    operands = tuple(re.findall(r"%([\w.-]+)", arguments[:end]))
    return Operation(name, shapes, kind, operands, arguments, root)


def _closing(text: str) -> int:
    """Where the parenthesis that opens `text` has closed."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return place + 1
    raise ValueError(f"no closing parenthesis in {text[:80]!r}")
