"""What ARKit-52 coefficients do to the mouth of the built-in face: linear, so all of it is two small matrices."""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxtalk.face import builtin
from jaxtalk.face.landmarks import EYE_CORNERS, INNER_LIPS


class Mouth(NamedTuple):
    """What one unit of each coefficient does."""

    points: Float[np.ndarray, "52 60"]  # millimetres: offsets of the twenty lip landmarks (48-67)
    opening: Float[np.ndarray, "52"]  # gap of the inner lips over the distance of the outer eye corners


@functools.cache
def mouth() -> Mouth:
    model = builtin.model()
    template = np.asarray(model.template)[np.asarray(model.landmarks)]
    basis = np.asarray(model.expression)[:, np.asarray(model.landmarks)]  # [52, 68, 3]
    upper, lower = (list(index) for index in zip(*INNER_LIPS, strict=True))
    eyes = np.linalg.norm(np.subtract(*template[list(EYE_CORNERS)]))
    gap = (basis[:, upper, 1] - basis[:, lower, 1]).mean(-1) / eyes
    return Mouth(1e3 * basis[:, 48:].reshape(len(basis), -1), gap.astype(np.float32))


def opening(expression: Float[Array, "*b 52"]) -> Float[Array, "*b"]:
    """Upright gap of the inner lips over the distance of the outer eye corners, as `landmarks.lip_opening` but signed.

    Closed lips have 0; below 0 they press into each other.
    """
    return expression @ jnp.asarray(mouth().opening)


def articulate(
    expression: Float[np.ndarray, "t 52"], gain: float = 2.2, closed: float = 10.0
) -> Float[np.ndarray, "t 52"]:
    """Opens the mouth `gain` times as far, counted from its `closed`-th percentile, which becomes closed lips.

    A network that cannot be sure predicts the mean of what may be: its lips move too little and never meet. All
    coefficients that part the lips are scaled alike in a frame, so the mouth keeps its shape.
    """
    gap = np.maximum(expression @ mouth().opening, 1e-4)
    wanted = gain * np.maximum(gap - np.percentile(gap, closed), 0.0)
    parting = np.abs(mouth().opening) > 1e-3
    factor = np.where(parting[None], (wanted / gap)[:, None], 1.0)
    return np.clip(expression * factor, 0.0, 1.0).astype(np.float32)
