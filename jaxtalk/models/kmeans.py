"""k-means (Lloyd, 1982) with k-means++ starts (Arthur and Vassilvitskii, 2007): HuBERT's first targets.

points [n, d] --a start, then means of what is nearest, again and again--> centres [k, d]
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

_ROWS = 4096  # points whose distances to all centres are in memory at once


@functools.partial(jax.jit, static_argnames=("clusters", "rounds"))
def fit(
    rng: Key[Array, ""], points: Float[Array, "n d"], *, clusters: int, rounds: int = 50
) -> tuple[Float[Array, "k d"], Float[Array, "rounds"]]:
    """Centres, and the mean squared distance to them before each round, which never rises.

    A centre to which no point is nearest moves to one of the points that are farthest from theirs. Where there are
    fewer different points than clusters, some centres are equal and `assign` uses the first of them.
    """

    def improve(centres, _):
        index, distance = assign(points, centres)
        count = jnp.zeros(clusters).at[index].add(1.0)
        total = jnp.zeros_like(centres).at[index].add(points)
        means = total / jnp.maximum(count, 1.0)[:, None]
        empty = count == 0
        far = points[jax.lax.top_k(distance, min(clusters, len(points)))[1]]
        turn = jnp.clip(jnp.cumsum(empty) - 1, 0, len(far) - 1)  # the first empty centre takes the farthest point
        return jnp.where(empty[:, None], far[turn], means), distance.mean()

    middle = points.mean(0)  # distances of centred points lose fewer digits
    points = points - middle[None]
    centres, history = jax.lax.scan(improve, _start(rng, points, clusters), length=rounds)
    return centres + middle[None], history


def assign(points: Float[Array, "n d"], centres: Float[Array, "k d"]) -> tuple[Int[Array, "n"], Float[Array, "n"]]:
    """The nearest centre of each point, and the squared distance to it."""
    middle = centres.mean(0)
    centres = centres - middle[None]
    size = jnp.sum(centres**2, axis=1)

    def nearest(point):
        point = point - middle
        score = size - 2 * jnp.matmul(centres, point, precision="highest")
        return jnp.argmin(score), jnp.maximum(jnp.min(score) + jnp.sum(point**2), 0.0)

    return jax.lax.map(nearest, points, batch_size=_ROWS)


def _start(rng, points, clusters):
    """k-means++: each further centre is a point, its chance in proportion to its squared distance to those before."""
    first, rng = jax.random.split(rng)
    centres = jnp.zeros((clusters, points.shape[1])).at[0].set(jax.random.choice(first, points))

    def add(i, carry):
        centres, distance = carry
        distance = jnp.minimum(distance, jnp.sum((points - centres[i - 1][None]) ** 2, axis=1))
        # Where every point is a centre already, any will do.
        chance = jnp.where(distance.max() > 0, jnp.log(distance), 0.0)
        return centres.at[i].set(points[jax.random.categorical(jax.random.fold_in(rng, i), chance)]), distance

    return jax.lax.fori_loop(1, clusters, add, (centres, jnp.full(len(points), jnp.inf)))[0]
