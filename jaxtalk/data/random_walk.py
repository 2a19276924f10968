"""Labels that follow the edges of a picture: a random walk with priors (Grady, CVPR 2005), for many pictures at once.

picture [h w 3], belief [h w k] --(L + diag(trust)) x = trust belief--> x [h w k]

A walker that starts at a pixel goes on to a neighbour the more likely the more alike their colours are, and stops the
more likely the more a pixel's own belief is to be trusted: x is where it stops, on the average. L is the Laplacian of
the 4-neighbourhood. Rows of x sum to what rows of belief sum to.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

CONTRAST = 300.0  # for colours in [0, 1]: a step of 0.05 in all three counts exp(-2.2)
LEAST = 1e-3  # weight of the sharpest edge
STEPS = 40  # of conjugate gradients


@functools.partial(jax.jit, static_argnames="steps")
def walk(
    picture: Float[Array, "b h w 3"], belief: Float[Array, "b h w k"], trust: Float[Array, "b h w"], steps: int = STEPS
) -> Float[Array, "b h w k"]:
    """The labels' shares at each pixel; `trust` (> 0) is 1 where the pixel counts as much as its neighbours may."""

    def one(picture, belief, trust):
        across, down = (_alike(jnp.diff(picture, axis=axis)) for axis in (1, 0))
        across, down = jnp.pad(across, ((0, 0), (0, 1))), jnp.pad(down, ((0, 1), (0, 0)))  # to the next one; none last
        left, above = _later(across, 1), _later(down, 0)
        total = across + down + left + above + trust

        def apply(x):
            flow = across[..., None] * _earlier(x, 1) + down[..., None] * _earlier(x, 0)
            flow = flow + left[..., None] * _later(x, 1) + above[..., None] * _later(x, 0)
            return total[..., None] * x - flow

        precondition = lambda r: r / total[..., None]  # noqa: E731
        right = trust[..., None] * belief
        solved, _ = jax.scipy.sparse.linalg.cg(apply, right, x0=belief, maxiter=steps, tol=1e-4, M=precondition)
        return jnp.clip(solved, 0.0, 1.0)

    return jax.lax.map(lambda each: one(*each), (picture, belief, trust))


def _alike(step):
    return jnp.exp(-CONTRAST * jnp.square(step).sum(-1)) + LEAST


def _later(x, axis):
    """Moved by one along the axis; the last goes to the first place, where its weight is 0."""
    return jnp.roll(x, 1, axis)


def _earlier(x, axis):
    return jnp.roll(x, -1, axis)
