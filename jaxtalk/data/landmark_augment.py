"""Variations of a face's landmarks through time that leave what the mouth says as it is: another head, another tracker.

Each stretch of a clip gets its own: mirrored or not, a head turned otherwise, other proportions, lips whose movement a
tracker sees only in part (our own landmark network sees about half of what MediaPipe sees), and noise, half of it from
frame to frame and half of it slow.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from jaxtalk.face import mediapipe, rotation
from jaxtalk.face.face_points import FLIP
from jaxtalk.face.lip_shape import LIPS

_MIRROR = np.array(mediapipe.MIRROR_68)
_TURN = 0.15  # radians: standard deviation of the turn about each axis
_PROPORTIONS = 0.1  # natural logarithm of width and height: standard deviation
_SEEN = (0.35, 1.2)  # how much of the lips' movement is left, in half of the stretches
_NOISE = 0.012  # in distances of the outer eye corners; varies by a factor of two from stretch to stretch
_SLOW = 5  # frames over which slow noise is held together


def vary(rng: Key[Array, ""], landmarks: Float[Array, "b t 68 3"]) -> Float[Array, "b t 68 2"]:
    """Landmarks (x right, y down, z away from the viewer, any scale) as other pictures would show them."""
    keys = iter(jax.random.split(rng, 8))
    points = _partly_seen(next(keys), next(keys), _sized(landmarks))
    mirrored = jax.random.bernoulli(next(keys), 0.5, (len(points), 1, 1, 1))
    points = jnp.where(mirrored, points[:, :, _MIRROR] * jnp.array([[[[-1.0, 1.0, 1.0]]]]), points)
    turn = rotation.matrix(_TURN * jax.random.normal(next(keys), (len(points), 3)))
    turn = turn * jnp.asarray(FLIP[None, :, None] * FLIP[None, None, :])
    flat = jnp.einsum("bij,btvj->btvi", turn, points)[..., :2]
    flat = flat * jnp.exp(_PROPORTIONS * jax.random.normal(next(keys), (len(flat), 1, 1, 2)))
    amount = _NOISE * jnp.exp(0.7 * jax.random.normal(next(keys), (len(flat), 1, 1, 1)))
    quick, slow = (jax.random.normal(next(keys), flat.shape) for _ in range(2))
    slow = sum(jnp.roll(slow, i, axis=1) for i in range(_SLOW)) / np.sqrt(_SLOW)
    return flat + amount * (quick + slow) / np.sqrt(2)


def _sized(landmarks):
    """About their mean over the stretch, in distances of the outer eye corners."""
    size = jnp.sqrt(jnp.sum((landmarks[:, :, 45] - landmarks[:, :, 36]) ** 2, -1)).mean(1)
    return (landmarks - landmarks.mean((1, 2), keepdims=True)) / size[:, None, None, None]


def _partly_seen(half, amount, points):
    """In half of the stretches, the lips' change of form (not of place) smaller or larger."""
    lips = points[:, :, LIPS]
    middle = lips.mean(2, keepdims=True)
    form = lips - middle
    rest = form.mean(1, keepdims=True)
    share = jax.random.uniform(amount, (len(points), 1, 1, 1), minval=_SEEN[0], maxval=_SEEN[1])
    share = jnp.where(jax.random.bernoulli(half, 0.5, share.shape), share, 1.0)
    return points.at[:, :, LIPS].set(middle + rest + share * (form - rest))
