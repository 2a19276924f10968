"""A critic's scores and what keeps it from being steep (WGAN-GP; Gulrajani et al., NIPS 2017, eq. 3).

A critic scores real examples higher than made ones; the difference of its means is a distance of the two distributions
as long as its slope is nowhere above 1, to which the penalty drives it between the two.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

WEIGHT = 10.0  # of the penalty


def critic(real: Float[Array, "b *s"], made: Float[Array, "b *s"]) -> Float[Array, "b"]:
    """What the critic minimises, besides the penalty: minus the distance."""
    axes = tuple(range(1, real.ndim))
    return made.mean(axes) - real.mean(axes)


def generator(made: Float[Array, "b *s"]) -> Float[Array, "b"]:
    """What the generator minimises: minus its scores."""
    return -made.mean(tuple(range(1, made.ndim)))


def gradient_penalty(
    score: Callable[[Array], Float[Array, "b *s"]],
    real: Float[Array, "b *x"],
    made: Float[Array, "b *x"],
    between: Float[Array, "b"],
) -> Float[Array, "b"]:
    """(|slope| - 1)^2 at made + between (real - made); times `WEIGHT` it joins `critic`.

    `between` is uniform from 0 to 1; scores of several patches are averaged. `score` may not mix examples, as batch
    norm does.
    """
    share = between.reshape(-1, *(1,) * (real.ndim - 1))
    middle = jax.lax.stop_gradient(made + share * (real - made))
    slope = jax.grad(lambda x: generator(score(x)).sum())(middle)
    squared = jnp.sum(slope**2, tuple(range(1, slope.ndim)))
    return (jnp.sqrt(squared + 1e-12) - 1.0) ** 2  # a root at zero has no slope
