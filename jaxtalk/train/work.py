"""What one chip has to do in a compiled step, by operation: products of matrices, bytes to and from memory.

XLA's own cost analysis counts what is in a loop once, and much that chips are not rated by. Here loops count as often
as they run, and of floating-point operations only products of matrices and convolutions count, two for each product
that is added up; zeros that pad or spread a convolution are no products.
"""

import dataclasses
import math
import re

import numpy as np

from jaxtalk.train.hlo import Operation, Program

# Operations that move nothing, or whose parts are counted by themselves.
_FREE = {
    "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "conditional", "call", "after-all",
    "partition-id", "replica-id", "iota", "opt-barrier", "optimization-barrier", "custom-call",
}  # fmt: skip
_WAITING = ("-start", "-done", "-update")  # of copies and collectives that go on meanwhile
_COLLECTIVE = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")


@dataclasses.dataclass(frozen=True)
class Work:
    """Of one operation, or of several operations that run at once."""

    flops: int
    bytes: int
    times: int = 1
    name: str = ""


def read(program: Program) -> list[Work]:
    """The work of each operation that runs; collectives are counted elsewhere."""
    found = []
    for name, times in program.running():
        operations = program.computations[name]
        for operation in operations.values():
            if operation.kind in _FREE or operation.kind.endswith(_WAITING) or operation.kind in _COLLECTIVE:
                continue
            work = Work(flops(program, name, operation), moved(program, name, operation), times, operation.name)
            if work.flops or work.bytes:
                found.append(work)
    return found


def flops(program: Program, computation: str, operation: Operation) -> int:
    """Products in an operation and in what it fuses."""
    operations = program.computations[computation]
    if operation.kind == "dot":
        return _dot(operation, operations)
    if operation.kind == "convolution":
        return _convolution(operation, operations)
    if operation.kind == "fusion":
        parts = [(name, part) for name in operation.called for part in program.computations[name].values()]
        return sum(flops(program, name, part) for name, part in parts)
    return 0


def moved(program: Program, computation: str, operation: Operation) -> int:
    """Bytes read from memory and written to it; what lies on the chip costs nothing.

    Of an array of which only a slice is read or written, as loops do with what they stack, the slice counts.
    """
    operations = program.computations[computation]
    inside = operation.called[0] if operation.kind == "fusion" else None
    read = [
        _read(program, place, operations[name], operation, inside)
        for place, name in enumerate(operation.operands)
        if name in operations
    ]
    return sum(read) + _written(operation, operations, program.computations.get(inside))


def _read(program: Program, place: int, operand: Operation, operation: Operation, inside: str | None) -> int:
    whole = sum(shape.bytes for shape in operand.shapes if not shape.on_chip)
    if inside is not None:
        used = _used(program, inside, place)
        return whole if used is None else min(whole, used)
    if place == 0 and operation.kind in ("dynamic-slice", "gather", "slice"):
        return min(whole, operation.shapes[0].bytes)
    return 0 if place == 0 and operation.kind in ("dynamic-update-slice", "scatter") else whole


def _used(program: Program, inside: str, place: int) -> int | None:
    """Bytes that a fused computation looks at of its parameter at `place`; None for all of them."""
    operations = program.computations[inside].values()
    values = [o.name for o in operations if o.kind == "parameter" and o.attributes.startswith(f"{place})")]
    total = 0
    for user in operations:  # in order: what only renames a value stands before its users
        for at, name in enumerate(user.operands):
            if name not in values:
                continue
            if user.kind in ("bitcast", "reshape"):
                values.append(user.name)
            elif user.kind == "dynamic-slice" and at == 0:
                total += sum(shape.bytes for shape in user.shapes)
            elif user.kind == "fusion":
                part = _used(program, user.called[0], at)
                if part is None:
                    return None
                total += part
            elif not (user.kind == "dynamic-update-slice" and at == 0):  # what a slice is written into is not read
                return None
    return None if any(o.root and o.name in values for o in operations) else total


def _written(operation: Operation, operations: dict[str, Operation], inside: dict[str, Operation] | None) -> int:
    results, shapes = [operation], operation.shapes
    if inside is not None:
        root = next(o for o in inside.values() if o.root)
        results, operations = [inside[name] for name in root.operands] if root.kind == "tuple" else [root], inside
    total = 0
    for result, shape in zip(results, shapes, strict=False):
        while result.kind in ("bitcast", "reshape") and inside is not None:
            result = inside[result.operands[0]]
        if shape.on_chip:
            continue
        sliced = result.kind == "dynamic-update-slice"
        total += sum(part.bytes for part in operations[result.operands[1]].shapes) if sliced else shape.bytes
    return total


def _dot(operation: Operation, operations: dict[str, Operation]) -> int:
    contracted = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", operation.attributes)[1]
    sides = operations[operation.operands[0]].shapes[0].sides
    return 2 * math.prod(operation.shapes[0].sides) * math.prod(sides[int(i)] for i in contracted.split(",") if i)


def _convolution(operation: Operation, operations: dict[str, Operation]) -> int:
    """Two for each product of a kernel's value with an input that is neither padding nor a spread zero."""
    image, kernel, result = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", operation.attributes).groups()
    inputs, taps = (operations[name].shapes[0].sides for name in operation.operands[:2])
    outputs = operation.shapes[0].sides
    axes = sorted(label for label in result if label.isdigit())
    pairs = math.prod(
        _pairs(inputs[image.index(a)], taps[kernel.index(a)], outputs[result.index(a)], _window(operation, int(a)))
        for a in axes
    )
    return 2 * pairs * outputs[result.index("b")] * outputs[result.index("f")] * taps[kernel.index("i")]


def _window(operation: Operation, axis: int) -> dict[str, int]:
    """Stride, padding before, and dilations of a convolution along one axis."""
    window = re.search(r"window=\{([^}]*)\}", operation.attributes)
    fields = dict(part.split("=") for part in window[1].split()) if window else {}
    of = lambda name, default: fields[name].split("x")[axis] if name in fields else default  # noqa: E731
    return {
        "stride": int(of("stride", "1")),
        "pad": int(of("pad", "0_0").split("_")[0]),
        "lhs_dilate": int(of("lhs_dilate", "1")),
        "rhs_dilate": int(of("rhs_dilate", "1")),
    }


def _pairs(inputs: int, taps: int, outputs: int, window: dict[str, int]) -> int:
    """How many outputs and taps along one axis meet an input."""
    first = np.arange(outputs)[:, None] * window["stride"] - window["pad"]
    short, total = min(taps, 4096), 0
    for start in range(0, taps, short):
        place = first + np.arange(start, min(start + short, taps)) * window["rhs_dilate"]
        inside = (place >= 0) & (place <= (inputs - 1) * window["lhs_dilate"])
        total += int((inside & (place % window["lhs_dilate"] == 0)).sum())
    return total
