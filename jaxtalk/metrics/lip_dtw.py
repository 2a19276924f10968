"""Do the lips go through the same shapes, whenever they do? Dynamic time warping (Sakoe and Chiba, 1978).

    D[i, j] = c[i, j] + min(D[i-1, j-1], D[i-1, j], D[i, j-1]),  c[i, j] = |predicted_i - truth_j|

All three steps weigh 1, and a path goes from the first frames of both to the last ones. Two speakers of one sentence,
or lips that run late, cannot be judged frame by frame; here their distance is that of the shapes, as far as time may
be warped. Traps: without a band a mouth that does nothing but open once can be matched to nearly anything; the sum
grows with length, so only `lip_dtw` may be compared between clips, and others divide by t + u instead.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


@functools.partial(jax.jit, static_argnames="band")
def lip_dtw(
    predicted: Float[Array, "*b t d"],
    truth: Float[Array, "*b u d"],
    frames: tuple[Int[Array, "*b"], Int[Array, "*b"]] | None = None,
    *,
    band: int | None = None,
) -> Float[Array, "*b"]:
    """Cost of the cheapest path over the number of its pairs: the mean distance of paired frames, in the unit of d.

    From 0, lower is better. The path is the cheapest in sum, not in mean. For openings d = 1; for lip points the
    coordinates of all of them are one vector. Arguments as in `cost`; 0 of no frames, infinite where the band is too
    narrow (it never is from 0 on).
    """
    total, pairs = cost(predicted, truth, frames, band=band)
    return total / jnp.maximum(pairs, 1.0)


@functools.partial(jax.jit, static_argnames="band")
def cost(
    predicted: Float[Array, "*b t d"],
    truth: Float[Array, "*b u d"],
    frames: tuple[Int[Array, "*b"], Int[Array, "*b"]] | None = None,
    *,
    band: int | None = None,
) -> tuple[Float[Array, "*b"], Float[Array, "*b"]]:
    """Sum of the distances along the cheapest path, and the number of pairs on it (diagonal steps win ties).

    `frames` says how many of t and u frames count (the rest is padding). `band` frames to each side of the diagonal
    are allowed, Sakoe and Chiba's window; of clips that differ by n frames, n more on the longer one's side.
    """
    if frames is None:
        frames = tuple(jnp.full(x.shape[:-2], x.shape[-2], jnp.int32) for x in (predicted, truth))
    warp = functools.partial(_warp, band=max(predicted.shape[-2], truth.shape[-2]) if band is None else band)
    return jnp.vectorize(warp, signature="(t,d),(u,d),(),()->(),()")(predicted, truth, *frames)


def _warp(predicted, truth, count, other, *, band):
    """The table diagonal by diagonal: all cells (i, k - i) of diagonal k are independent of each other.

    A diagonal is held by rows, with row -1 in front; only D[-1, -1] = 0 lets a path begin.
    """
    t, u = predicted.shape[0], truth.shape[0]
    row = jnp.arange(t)
    backwards = jnp.pad(truth[::-1], ((t, t), (0, 0)))  # a slice of it is truth[k - i] for i = 0 ... t - 1
    apart = other - count
    nothing = (jnp.full(t + 1, jnp.inf), jnp.zeros(t + 1))

    def diagonal(carry, k):
        (before, before_pairs), (last, last_pairs), answer = carry
        column = k - row
        inside = (row < count) & (column >= 0) & (column < other)
        inside &= (column - row >= jnp.minimum(apart, 0) - band) & (column - row <= jnp.maximum(apart, 0) + band)
        facing = jax.lax.dynamic_slice_in_dim(backwards, u - 1 - k + t, t)
        distance = jnp.sqrt(((predicted - facing) ** 2).sum(-1))
        best, pairs = before[:-1], before_pairs[:-1]
        for rival, rival_pairs in ((last[:-1], last_pairs[:-1]), (last[1:], last_pairs[1:])):
            best, pairs = jnp.where(rival < best, rival, best), jnp.where(rival < best, rival_pairs, pairs)
        now = jnp.pad(jnp.where(inside, distance + best, jnp.inf), (1, 0), constant_values=jnp.inf)
        now_pairs = jnp.pad(pairs + 1, (1, 0))
        ends = (k == count + other - 2) & (count > 0) & (other > 0)
        answer = tuple(jnp.where(ends, new[count], old) for new, old in zip((now, now_pairs), answer, strict=True))
        return ((last, last_pairs), (now, now_pairs), answer), None

    start = (nothing[0].at[0].set(0.0), nothing[1])
    carry = (start, nothing, (jnp.float32(0), jnp.float32(0)))
    (_, _, answer), _ = jax.lax.scan(diagonal, carry, jnp.arange(t + u - 1))
    return answer
