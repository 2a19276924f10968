"""What ARKit-52 coefficients do to the mouth of the built-in face: linear, so all of it is two small matrices."""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxtalk.face import builtin
from jaxtalk.face.arkit import INDEX
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


def meet(expression: Float[Array, "*b 52"], margin: float = 0.003) -> Float[Array, "*b 52"]:
    """Lips a little closer, so that those that nearly touch do: `margin` (as `opening`) is taken off every gap.

    A network that is not sure predicts the mean of closed and open lips, which is not closed. All coefficients that
    part the lips are scaled alike, so the mouth keeps its shape. 0.003 is a quarter of a millimetre.
    """
    gap = opening(expression)
    factor = jnp.where(gap > 0, jnp.maximum(gap - margin, 0.0) / jnp.maximum(gap, 1e-6), 1.0)
    return jnp.where(_parting(expression), expression * factor[..., None], expression)


def touch(
    expression: Float[Array, "*b 52"], closing: Float[Array, "*b"], low: float = 0.04, high: float = 0.08
) -> Float[Array, "*b 52"]:
    """Lips brought together where a closure is likely: wholly from probability `high` on, not at all up to `low`.

    What a viewer misses is a closed /m/, not an open mouth, so lips meet long before a closure is more likely than
    not. They meet as people's do, by mouthClose over a jaw that stays as it is.
    """
    share = ((closing - low) / (high - low)).clip(0.0, 1.0) * (opening(expression) > 0)
    lips = _parting(expression).at[..., np.array([INDEX["jawOpen"], INDEX["mouthClose"]])].set(False)
    moved = jnp.where(lips, expression * (1.0 - share[..., None]), expression)
    excess = opening(moved) - (1.0 - share) * opening(expression)
    close = INDEX["mouthClose"]
    closed = moved[..., close] - excess / float(mouth().opening[close])
    return moved.at[..., close].set(jnp.where(share > 0, closed.clip(0.0, 1.0), moved[..., close]))


def _parting(expression):
    """Which coefficients move the lips apart or together."""
    return jnp.broadcast_to(jnp.asarray(np.abs(mouth().opening) > 1e-3), expression.shape)
