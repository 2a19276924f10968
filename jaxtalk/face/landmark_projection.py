"""What GeneFace does to a track of 68 landmarks in use, so that the field that draws them knows them (ICLR 2023).

A radiance field of one person draws well only landmarks like those that it has seen. `clamp` cuts off what is far from
the person's mean, `project` draws frames towards those of the person's video by locally linear embedding, `smooth`
takes out what trembles and `lag` holds each frame back a little. As published, the first three and the lips as they
are for the vanilla field, `clamp` and `lag` for the fast one.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

LIMIT = 2.5  # standard deviations
UPPER = 48  # points before the lips: the ones that are projected and smoothed
_BLOCK = 128  # frames whose neighbours are looked for at once

# Brows and eyes may go half as far to the sides, up and down; depth and all else may go the whole way.
_SHARE = np.ones((68, 3), np.float32)
_SHARE[17:27, :2] = _SHARE[36:48, :2] = 0.5


def clamp(
    track: Float[Array, "*b 68 3"], mean: Float[Array, "68 3"], deviation: Float[Array, "68 3"], limit: float = LIMIT
) -> Float[Array, "*b 68 3"]:
    """Each number at most `limit` standard deviations (for brows and eyes half of it) from the person's mean."""
    reach = limit * _SHARE * deviation
    return jnp.clip(track, *(jnp.broadcast_to(bound, track.shape) for bound in (mean - reach, mean + reach)))


def project(
    track: Float[Array, "t d"],
    seen: Float[Array, "n d"],
    share: float = 1.0,
    neighbours: int = 10,
    ridge: float = 1e-5,
) -> Float[Array, "t d"]:
    """Frames moved by `share` of the way to the nearest mean, with weights of either sign, of their nearest seen ones.

    Saul and Roweis, "Think globally, fit locally" (2003): the weights sum to 1 and leave the least error.
    """
    return _project(track, seen, share, neighbours, ridge)


@functools.partial(jax.jit, static_argnames="neighbours")
def _project(track, seen, share, neighbours, ridge):
    length = jnp.sum(seen**2, axis=-1)

    def frame(x):
        _, nearest = jax.lax.top_k(2 * seen @ x - length, neighbours)
        near = seen[nearest]
        return (1 - share) * x + share * barycentre_weights(x, near, ridge) @ near

    return jax.lax.map(frame, track, batch_size=_BLOCK)


def barycentre_weights(
    point: Float[Array, "d"], near: Float[Array, "k d"], ridge: Float[Array, ""] | float
) -> Float[Array, "k"]:
    """Weights of sum 1 with which the near points make the point, or what they can make that is nearest to it.

    Where many weights do (repeated points, more points than dimensions) `ridge`, as a share of the mean squared
    distance times k, prefers even ones.
    """
    away = near - point[None]
    gram = jnp.matmul(away, away.T, precision="highest")
    total = jnp.trace(gram)
    floor = jnp.where(total > 0, ridge * total, 1.0)  # all of them are where the point is: any weights do
    weights = jnp.linalg.solve(gram + floor * jnp.eye(len(near)), jnp.ones(len(near)))
    return weights / weights.sum()


def smooth(track: Float[Array, "t *d"], sigma: float) -> Float[Array, "t *d"]:
    """Gaussian weights over frames, out to four sigma; the track is mirrored at its ends. Sigma 0 changes nothing."""
    if sigma <= 0:
        return track
    reach = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = jnp.pad(track, [(reach, reach), *[(0, 0)] * (track.ndim - 1)], mode="symmetric")
    return sum(w * padded[k : k + len(track)] for k, w in enumerate(weights / weights.sum()))


def lag(track: Float[Array, "t *d"], share: float = 0.2) -> Float[Array, "t *d"]:
    """Each frame is so much of the one before, as that came out, and the rest of its own."""

    def step(before, now):
        mixed = share * before + (1 - share) * now
        return mixed, mixed

    return jax.lax.scan(step, track[0], track)[1]
