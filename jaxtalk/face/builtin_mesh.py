"""Parts of the built-in head while it is being put together: grids of vertices, joined and mirrored. Millimetres."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from jaxtalk.face.model import REGIONS


@dataclasses.dataclass(frozen=True)
class Part:
    """A piece of mesh. Until `reflect`, only its x >= 0 half; vertices at x = 0 exactly are shared by both halves."""

    points: Float[np.ndarray, "v 3"]
    triangles: Int[np.ndarray, "f 3"]
    uv: Float[np.ndarray, "u 2"]
    uv_triangles: Int[np.ndarray, "f 3"]
    region: Int[np.ndarray, "f"]
    grids: dict[str, Int[np.ndarray, "..."]]  # vertices by anatomical name, as rings x columns where there are rings


def region(name: str, count: int) -> Int[np.ndarray, "f"]:
    """`count` triangles of one region."""
    return np.full(count, REGIONS.index(name))


def strips(grid: Int[np.ndarray, "r k"], *, closed: bool) -> Int[np.ndarray, "f 3"]:
    """Triangles between neighbouring rings; `closed` joins the last column to the first.

    They face the viewer when columns run clockwise and rings run inwards.
    """
    right = np.roll(grid, -1, 1) if closed else grid[:, 1:]
    left = grid if closed else grid[:, :-1]
    a, b, c, d = left[:-1], right[:-1], left[1:], right[1:]
    return np.concatenate([np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)])


def fan(ring: Int[np.ndarray, "k"], centre: int, *, closed: bool) -> Int[np.ndarray, "f 3"]:
    """Triangles from the innermost ring to one vertex, facing as `strips`."""
    after = np.roll(ring, -1) if closed else ring[1:]
    before = ring if closed else ring[:-1]
    return np.stack([before, np.full(len(before), centre), after], -1)


def join(parts: list[Part]) -> Part:
    """One mesh of several; grids keep their names, which must differ."""
    first = np.cumsum([0] + [len(p.points) for p in parts])
    first_uv = np.cumsum([0] + [len(p.uv) for p in parts])
    return Part(
        np.concatenate([p.points for p in parts]),
        np.concatenate([p.triangles + o for p, o in zip(parts, first, strict=False)]),
        np.concatenate([p.uv for p in parts]),
        np.concatenate([p.uv_triangles + o for p, o in zip(parts, first_uv, strict=False)]),
        np.concatenate([p.region for p in parts]),
        {name: grid + o for p, o in zip(parts, first, strict=False) for name, grid in p.grids.items()},
    )


def reflect(half: Part) -> tuple[Part, Int[np.ndarray, "v"]]:
    """The whole of a half, and for every vertex its mirror image.

    Grids of the +x half keep their names; those of the other half get "_r" (the subject's right) after it.
    """
    count = len(half.points)
    off = half.points[:, 0] > 0
    twin = np.where(off, count + np.cumsum(off) - 1, np.arange(count))
    back = np.concatenate([twin, np.nonzero(off)[0]])
    flip = np.array([-1.0, 1, 1])
    whole = Part(
        np.concatenate([half.points, half.points[off] * flip]),
        np.concatenate([half.triangles, twin[half.triangles][:, ::-1]]),
        np.concatenate([half.uv, np.array([1.0, 0]) + half.uv * np.array([-1.0, 1])]),
        np.concatenate([half.uv_triangles, half.uv_triangles[:, ::-1] + len(half.uv)]),
        np.concatenate([half.region, half.region]),
        half.grids | {name + "_r": twin[grid] for name, grid in half.grids.items()},
    )
    return whole, back
