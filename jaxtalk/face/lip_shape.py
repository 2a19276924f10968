"""The shape of the mouth over a clip, without the head: what LipSyncNet sees of a face."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

LIPS = slice(48, 68)
_CORNERS = ((36, 39), (42, 45))  # of the eye on the left of the image and of the other
_NOSE = (27, 33)  # bridge and base
_LEAST = 1e-6  # pixels: keeps what has no size finite


@jax.jit
def lip_shape(landmarks: Float[Array, "*b t 68 2"]) -> Float[Array, "*b t 20 2"]:
    """The 20 lip points upright, about the base of the nose, in units of the face, less their mean over the clip.

    Each frame is turned until the eyes are level and divided by the hypotenuse of the eyes' distance and the nose's
    length, which changes less than either when the head turns. How wide the lips are at rest, and so whose they are,
    is gone; that they open, round and spread is kept, and that they go down with the jaw: our own landmark network
    sees that more surely than how far they part (docs/lip_sync.md). A single frame gives zeros.
    """
    left, right = (landmarks[..., pair, :].mean(-2) for pair in map(jnp.array, _CORNERS))
    across, along = right - left, landmarks[..., _NOSE[1], :] - landmarks[..., _NOSE[0], :]
    size = jnp.sqrt(jnp.sum(across**2 + along**2, axis=-1) + _LEAST**2)
    length = jnp.sqrt(jnp.sum(across**2, axis=-1) + _LEAST**2)
    c, s = across[..., 0] / length, across[..., 1] / length
    lips = (landmarks[..., LIPS, :] - landmarks[..., _NOSE[1], None, :]) / size[..., None, None]
    x, y = lips[..., 0], lips[..., 1]
    c, s = (jnp.broadcast_to(v[..., None], x.shape) for v in (c, s))
    upright = jnp.stack([c * x + s * y, c * y - s * x], axis=-1)
    return upright - upright.mean(-3, keepdims=True)
