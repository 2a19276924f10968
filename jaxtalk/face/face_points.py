"""The 68 landmarks of the built-in face as identity and expression move them: linear, so all of it is small matrices.

Axes are those of a picture: x to its right, y down, z away from the viewer; metres; the head is not turned.
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.spatial.transform import Rotation

from jaxtalk.face import builtin

FLIP = np.array([1.0, -1.0, -1.0])  # between the axes of `jaxtalk.face` and those of a picture


class Points(NamedTuple):
    """The landmarks at rest, and what one unit of each coefficient does to them."""

    rest: Float[np.ndarray, "68 3"]
    identity: Float[np.ndarray, "i 68 3"]
    expression: Float[np.ndarray, "52 68 3"]


@functools.cache
def points() -> Points:
    model = builtin.model()
    parts = model.template, model.identity, model.expression
    return Points(*(np.asarray(part)[..., np.asarray(model.landmarks), :] * FLIP for part in parts))


def rotation(angles: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3 3"]:
    """Matrices with the axes of a picture of (pitch, yaw, roll) as `face.rotation` has them."""
    return Rotation.from_euler("xyz", angles).as_matrix() * (FLIP[:, None] * FLIP)


def expressed(expression: Float[Array, "*b 52"]) -> Float[Array, "*b 68 3"]:
    """The landmarks of the built-in face of mean identity with these ARKit-52 coefficients."""
    rest, _, moves = points()
    moved = jnp.tensordot(expression, jnp.asarray(moves, jnp.float32), 1)
    return moved + jnp.broadcast_to(jnp.asarray(rest, jnp.float32), moved.shape)
