"""How near is an animation of a mesh to the recorded one? Figures of whole vertices from the numbers of a basis.

    lve     largest error of a lip vertex, mean over frames, millimetres ("lip max error" is the same)
    fdd     dynamics of the upper face, truth less made, mean over clips of its size, millimetres
    jaw     correlation over time of how the chin rises and falls
    error   mean squared error of all vertices over that of the mean face

All but the first are means over clips (sentences); LVE is of all frames as one. `metrics.lip_vertices` says what
published figures of these names mean. Millimetres if the mesh is in metres.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxtalk.face.motion_basis import MotionBasis
from jaxtalk.metrics.lip_correlation import correlation
from jaxtalk.metrics.lip_vertices import dynamics_deviation, lip_vertex_error

_MM = 1000.0


def scores(
    basis: MotionBasis,
    made: list[Float[np.ndarray, "_ k"]],
    truth: list[Float[np.ndarray, "_ k"]],
    mean: Float[np.ndarray, "k"],
) -> dict[str, float]:
    """Of clips of any length. `mean`: the mean face of what was learnt from."""
    pairs = list(zip(made, truth, strict=True))
    longest = max(len(x) for x in truth)
    jaw = basis.basis[:, basis.jaw, 1]
    squares = np.sum([(np.square(a - b).sum(), np.square(mean - b).sum()) for a, b in pairs], axis=0)
    found = {
        "lve": _MM * float(np.concatenate([_lips(basis, *pair, longest) for pair in pairs]).mean()),
        "jaw": float(np.mean([correlation(*(jnp.asarray(x @ jaw) for x in pair)) for pair in pairs])),
        "error": float(squares[0] / squares[1]),
    }
    if len(basis.upper):
        found["fdd"] = _MM * float(np.mean([abs(_upper(basis, *pair, longest)) for pair in pairs]))
    return found


def dynamics(basis: MotionBasis, numbers: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "v"]:
    """Standard deviation over time of how far each vertex is from rest, in the unit of the mesh."""
    total, square = np.zeros((2, len(basis.template)))
    for start in range(0, len(numbers), 256):
        length = np.linalg.norm(basis.offsets(numbers[start : start + 256]), axis=-1).astype(np.float64)
        total, square = total + length.sum(0), square + (length**2).sum(0)
    return np.sqrt(np.maximum(square / len(numbers) - (total / len(numbers)) ** 2, 0))


def _lips(basis, made, truth, longest) -> np.ndarray:
    """Largest error of each frame."""
    placed = (_placed(basis, basis.lips, x, longest) for x in (made, truth))
    return np.asarray(lip_vertex_error(*placed, jnp.arange(len(basis.lips))))[: len(truth)]


def _upper(basis, made, truth, longest) -> float:
    made, truth, count = *(_placed(basis, basis.upper, x, longest) for x in (made, truth)), len(truth)
    rest, every = jnp.zeros(truth.shape[1:]), jnp.arange(len(basis.upper))
    return float(dynamics_deviation(made, truth, rest, every, known=jnp.arange(longest) < count))


def _placed(basis, part, numbers, longest):
    """Offsets of some vertices, filled up to one length so that one program does for all clips."""
    offsets = np.tensordot(np.asarray(numbers, np.float32), basis.basis[:, part], 1)
    return jnp.asarray(np.pad(offsets, ((0, longest - len(offsets)), (0, 0), (0, 0))))
