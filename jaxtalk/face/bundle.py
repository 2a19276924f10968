"""Levenberg-Marquardt for frames that share some unknowns, as in bundle adjustment.

Unknowns are x_f [n] for every frame f and y [m] for all frames. The cost is

    sum_f |r_f(x_f, y)|^2 + sum_f link_f |(x_f - x_{f-1}) / step|^2

Without the second sum the normal equations are an "arrow": one block for each frame and a border for y, which the
Schur complement solves in time linear in the frames (Triggs et al., Bundle Adjustment: A Modern Synthesis, sec. 6).
The second sum ties neighbours; (a - b)^2 <= 2 a^2 + 2 b^2 bounds it by a sum over frames, so the steps keep the
arrow, all frames are solved at once, and the cost still never rises.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_factor, cho_solve
from jaxtyping import Array, Float, PyTree

FRAMES_AT_ONCE = 64  # Jacobians held at a time: bounds memory on long clips


class Reached(NamedTuple):
    """Where a minimisation is."""

    x: Float[Array, "t n"]
    y: Float[Array, "m"]
    damping: Float[Array, ""]
    cost: Float[Array, ""]


class Problem(NamedTuple):
    """What is minimised.

    `residuals(x_f, y, frame_f) -> [k]` with `frames` a pytree of arrays whose leading axis is t. `link` is 1 where a
    frame and the one before it are neighbours, else 0.
    """

    residuals: Callable
    frames: PyTree
    step: Float[Array, "n"]
    link: Float[Array, "t-1"]

    def begin(self, x: Float[Array, "t n"], y: Float[Array, "m"]) -> Reached:
        return Reached(x, y, jnp.float32(1e-3), self.cost(x, y))

    def improve(self, reached: Reached) -> Reached:
        """A damped step. One that would raise the cost is not taken; the next is damped ten times more."""
        x, y, damping, best = reached
        dx, dy = _step(self.residuals, self.frames, x, y, self.stiffness, damping)
        new = self.cost(x + dx, y + dy)
        better = new < best  # False for NaN too
        x, y = jnp.where(better, x + dx, x), jnp.where(better, y + dy, y)
        damping = jnp.where(better, jnp.maximum(damping / 10, 1e-6), jnp.minimum(damping * 10, 1e3))
        return Reached(x, y, damping, jnp.where(better, new, best))

    def solve(self, start: Reached, iterations: int) -> Reached:
        """After so many steps."""
        return jax.lax.scan(lambda reached, _: (self.improve(reached), None), start, None, length=iterations)[0]

    @property
    def stiffness(self) -> Float[Array, "_ n"]:
        return self.link[:, None] / self.step[None, :] ** 2

    def cost(self, x, y) -> Float[Array, ""]:
        each = jax.vmap(self.residuals, in_axes=(0, None, 0))(x, y, self.frames)
        return jnp.sum(each**2) + jnp.sum(self.stiffness * (x[1:] - x[:-1]) ** 2)


def minimise(
    residuals: Callable,
    frames: PyTree,
    x: Float[Array, "t n"],
    y: Float[Array, "m"],
    *,
    step: Float[Array, "n"],
    link: Float[Array, "t-1"],
    iterations: int,
) -> tuple[Float[Array, "t n"], Float[Array, "m"]]:
    """The unknowns that minimise the cost of a `Problem`, from the start (x, y), after so many steps."""
    problem = Problem(residuals, frames, step, link)
    return problem.solve(problem.begin(x, y), iterations)[:2]


def _step(residuals, frames, x, y, stiffness, damping):
    """The damped Gauss-Newton step (dx, dy)."""

    def normal_equations(frame):
        x_f, data = frame
        r = residuals(x_f, y, data)
        jx, jy = jax.jacfwd(residuals, argnums=(0, 1))(x_f, y, data)
        right = jnp.concatenate([-(jx.T @ r)[:, None], jx.T @ jy], axis=1)  # n 1+m
        return jx.T @ jx, right, jy.T @ jy, -(jy.T @ r)

    blocks, right, shared, shared_right = jax.lax.map(normal_equations, (x, frames), batch_size=FRAMES_AT_ONCE)
    pull = stiffness * (x[1:] - x[:-1])
    right = right.at[:-1, :, 0].add(pull).at[1:, :, 0].add(-pull)
    # Twice the stiffness towards each neighbour: the bound above.
    ties = jnp.zeros_like(x).at[1:].add(2 * stiffness).at[:-1].add(2 * stiffness)
    blocks = _damped(blocks, damping) + jnp.einsum("ti,ij->tij", ties, jnp.eye(x.shape[1]))
    solved = _solve(blocks, right)  # t n 1+m
    free, bound = solved[..., 0], solved[..., 1:]
    border = right[..., 1:]  # t n m
    schur = _damped(shared.sum(0), damping) - jnp.einsum("tnm,tnk->mk", border, bound)
    dy = cho_solve(cho_factor(schur), shared_right.sum(0) - jnp.einsum("tnm,tn->m", border, free))
    return free - jnp.einsum("tnm,m->tn", bound, dy), dy


def _damped(matrix, damping):
    diagonal = jnp.diagonal(matrix, axis1=-2, axis2=-1)
    return matrix + jnp.einsum("...i,ij->...ij", damping * diagonal + 1e-6, jnp.eye(matrix.shape[-1]))


def _solve(matrix, right):
    inverse = _inverse_of_triangle(jnp.linalg.cholesky(matrix))
    return jnp.einsum("...ji,...jk->...ik", inverse, inverse @ right)


def _inverse_of_triangle(lower: Float[Array, "*b n n"]) -> Float[Array, "*b n n"]:
    """Inverse of a lower triangular matrix from the inverses of ever larger blocks on its diagonal:

    [[a, 0], [b, c]] has the inverse [[1/a, 0], [-(1/c) b (1/a), 1/c]]. All products: XLA's batched triangular solve
    is a hundred times slower on CPU.
    """
    *batch, n, _ = lower.shape
    size = 1 << (n - 1).bit_length()
    lower = jnp.pad(lower, [(0, 0)] * len(batch) + [(0, size - n)] * 2)
    diagonal = jnp.diagonal(lower, axis1=-2, axis2=-1)
    inverse = 1 / jnp.where(diagonal == 0, 1.0, diagonal)[..., None, None]  # *b blocks 1 1; 0 is padding
    for half in (1 << k for k in range((n - 1).bit_length())):
        blocks = lower.reshape(*batch, size // (2 * half), 2 * half, size // (2 * half), 2 * half)
        b = jnp.moveaxis(jnp.diagonal(blocks, axis1=-4, axis2=-2), -1, -3)[..., half:, :half]
        a, c = inverse[..., 0::2, :, :], inverse[..., 1::2, :, :]
        inverse = jnp.block([[a, jnp.zeros_like(a)], [-c @ b @ a, c]])
    return inverse[..., 0, :n, :n]
