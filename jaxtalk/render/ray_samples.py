"""Where to sample rays when nothing is known of the scene, and where a first guess of it says.

    near, far [r] --stratified--> distance [r s] --field, weights--> importance --> distance [r n]

Two ways to look at a ray: as samples at distances (NeRF; `widths` makes intervals of them) or as a histogram with edges
[r s + 1] and a weight in each bin (mip-NeRF 360's proposals). Both resample with `importance`, which takes edges.
No gradient goes through where samples are: a proposal learns from `interlevel` instead.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

PADDING = 1e-5  # NeRF's: added to every weight, so that rays through nothing are sampled too
FOREVER = 1e10  # NeRF's width of the last sample


def stratified(
    near: Float[Array, "*r"], far: Float[Array, "*r"], count: int, rng: PRNGKeyArray | None = None
) -> Float[Array, "*r {count}"]:
    """Distances in order: equal steps from near to far or, with `rng`, anywhere between the middles of those steps."""
    share = jnp.linspace(0.0, 1.0, count)
    if rng is not None:
        middle = (share[1:] + share[:-1]) / 2
        low, high = jnp.concatenate([share[:1], middle]), jnp.concatenate([middle, share[-1:]])
        share = _along(low, near) + _along(high - low, near) * jax.random.uniform(rng, (*near.shape, count))
    else:
        share = _along(share, near)
    return near[..., None] + (far - near)[..., None] * share


def widths(distance: Float[Array, "*r s"], last: float = FOREVER) -> Float[Array, "*r s"]:
    """What each sample stands for: up to the next one; the last for `last`. Times the length of the directions."""
    return jnp.concatenate([distance[..., 1:] - distance[..., :-1], jnp.full_like(distance[..., :1], last)], -1)


def middles(edges: Float[Array, "*r e"]) -> Float[Array, "*r e-1"]:
    return (edges[..., 1:] + edges[..., :-1]) / 2


def importance(
    edges: Float[Array, "*r e"], weights: Float[Array, "*r e-1"], count: int, rng: PRNGKeyArray | None = None
) -> Float[Array, "*r {count}"]:
    """Distances in order, distributed as the histogram: the inverse of its cumulative sum (NeRF, sec. 5.2).

    At equal steps of it from 0 to 1 or, with `rng`, one anywhere in each of `count` equal parts. NeRF's second round
    gives the `middles` of its distances as edges, weights[..., 1:-1], and merges the result by `jnp.sort`. A proposal
    network's next histogram is `importance(edges, weights, count + 1)`.
    """
    edges, weights = jax.lax.stop_gradient((edges, weights.astype(jnp.float32) + PADDING))
    total = jnp.cumsum(weights, -1)
    share = jnp.concatenate([jnp.zeros_like(total[..., :1]), total / total[..., -1:]], -1)
    if rng is None:
        wanted = _along(jnp.linspace(0.0, 1.0, count), share[..., 0])
    else:
        wanted = _along(jnp.arange(count, dtype=jnp.float32), share[..., 0])
        wanted = (wanted + jax.random.uniform(rng, wanted.shape)) / count
    return _interpolate(wanted, share, edges)


def outer(
    edges: Float[Array, "*r e"], proposal_edges: Float[Array, "*r p"], proposal: Float[Array, "*r p-1"]
) -> Float[Array, "*r e-1"]:
    """The most each bin can hold if `proposal` is right: all of its bins that overlap (mip-NeRF 360, sec. 3)."""
    begin, end = proposal_edges[..., None, :-1], proposal_edges[..., None, 1:]
    overlap = (begin < edges[..., 1:, None]) & (end > edges[..., :-1, None])
    return jnp.sum(jnp.where(overlap, proposal[..., None, :], 0.0), -1)


def interlevel(
    edges: Float[Array, "*r e"],
    weights: Float[Array, "*r e-1"],
    proposal_edges: Float[Array, "*r p"],
    proposal: Float[Array, "*r p-1"],
) -> Float[Array, "*r"]:
    """What a proposal is wrong by: weight beyond its bound, as a one-sided chi-squared. Teaches the proposal only."""
    weights = jax.lax.stop_gradient(weights)
    excess = jnp.maximum(weights - outer(edges, proposal_edges, proposal), 0.0)
    return jnp.sum(excess**2 / (weights + 1e-7), -1)


def _along(values: Float[Array, "s"], rays: Float[Array, "*r"]) -> Float[Array, "*r s"]:
    return jnp.broadcast_to(values, (*rays.shape, len(values)))


def _interpolate(x: Float[Array, "*r n"], xs: Float[Array, "*r e"], ys: Float[Array, "*r e"]) -> Float[Array, "*r n"]:
    """Piecewise linear interpolation for each ray; `xs` increases.

    The neighbours of x are the largest entry below and the smallest above, found by comparing with all: no lookups,
    which chips are slow at, and for the hundred edges of a ray not slower on a CPU.
    """
    x, xs, ys = x[..., None], xs[..., None, :], ys[..., None, :]
    below = xs <= x
    ends = [jnp.max(jnp.where(below, values, values[..., :1]), -1) for values in (xs, ys)]
    tops = [jnp.min(jnp.where(below, values[..., -1:], values), -1) for values in (xs, ys)]
    gap = tops[0] - ends[0]
    return ends[1] + jnp.where(gap > 0, (x[..., 0] - ends[0]) / jnp.where(gap > 0, gap, 1.0), 0.0) * (tops[1] - ends[1])
