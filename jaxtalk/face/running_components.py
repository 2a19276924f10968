"""Principal components of a mesh's motion that comes in pieces, so that length costs little memory.

offsets [n, v, 3], piece after piece --`add`--> numbers of all frames so far [t, k] and shapes [k, v, 3]
    offsets are numbers @ shapes, but for less than `TOLERANCE` (root mean square over a frame's vertices, about)

A piece's part that the shapes so far do not span brings new ones; then all are turned to the principal axes, and those
that matter least are let go (after Brand, ECCV 2002). What is kept grows by k numbers a frame.
"""

import numpy as np
from jaxtyping import Float, Float32

TOLERANCE = 1e-3  # of the root mean square of all offsets
MOST = 64  # shapes


class RunningComponents:
    """Starts without any motion; `vertices` of the mesh."""

    def __init__(self, vertices: int, most: int = MOST):
        self._shapes = np.zeros((0, 3 * vertices))  # orthonormal
        self._numbers: list[np.ndarray] = []
        self._most = most

    def add(self, offsets: Float[np.ndarray, "n v 3"]) -> None:
        """The next frames."""
        flat = offsets.reshape(len(offsets), -1).astype(np.float64)
        known = flat @ self._shapes.T
        left = flat - known @ self._shapes
        values, vectors = np.linalg.eigh(left @ left.T)
        used = values > max(1e-12 * (flat**2).sum(), 1e-30)
        more = (vectors[:, used] / np.sqrt(values[used])[None]).T @ left
        shapes = np.concatenate([self._shapes, more])
        numbers = np.concatenate([known, left @ more.T], axis=1)
        before = [np.pad(part, ((0, 0), (0, len(more)))) for part in self._numbers]
        self._turn(shapes, [*before, numbers])

    def _turn(self, shapes, numbers) -> None:
        """To principal axes, without those that hardly move."""
        values, vectors = np.linalg.eigh(sum(part.T @ part for part in numbers))
        values, vectors = values[::-1], vectors[:, ::-1]
        rest = values[::-1].cumsum()[::-1]  # what is lost without this one and all behind it
        kept = vectors[:, (rest > TOLERANCE**2 * values.sum()) & (np.arange(len(values)) < self._most)]
        self._shapes = kept.T @ shapes
        self._numbers = [part @ kept for part in numbers]

    def finish(self) -> tuple[Float32[np.ndarray, "t k"], Float32[np.ndarray, "k v 3"]]:
        """Numbers, at most 1 in size, and shapes: what a morph target does at 1. One shape of nothing, if all stays."""
        numbers, shapes = np.concatenate(self._numbers), self._shapes
        if not len(shapes):
            numbers, shapes = np.zeros((len(numbers), 1)), np.zeros((1, shapes.shape[1]))
        size = np.abs(numbers).max(axis=0)
        size[size == 0] = 1.0
        shapes = (shapes * size[:, None]).reshape(len(shapes), -1, 3)
        return (numbers / size[None]).astype(np.float32), shapes.astype(np.float32)
