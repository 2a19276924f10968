"""Losses on the motion of points over time: one value for each frame, to be averaged over the frames of a mask."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def squared_error(predicted: Float[Array, "*b t m"], truth: Float[Array, "*b t m"]) -> Float[Array, "*b t"]:
    """Mean squared difference of a frame's numbers; 0 is best."""
    return jnp.mean(jnp.square(predicted - truth), axis=-1)


def continuity(predicted: Float[Array, "*b t m"], truth: Float[Array, "*b t m"]) -> Float[Array, "*b t"]:
    """Mean squared difference of how a frame's numbers change since the frame before; the first frame's own difference.

    From FACIAL (Zhang et al., ICCV 2021), as GeneFace has it.
    """
    away = predicted - truth
    changed = jnp.concatenate([away[..., :1, :], away[..., 1:, :] - away[..., :-1, :]], axis=-2)
    return jnp.mean(jnp.square(changed), axis=-1)
