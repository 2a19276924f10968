"""The solver for frames that share unknowns, against dense solvers that know nothing of its structure."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from jaxtalk.face import bundle

RNG = np.random.default_rng(0)


def test_inverse_of_triangle_matches_numpy():
    for n in (1, 2, 3, 8, 13):
        lower = np.tril(RNG.normal(size=(4, n, n))) + 3 * np.eye(n)
        inverse = bundle._inverse_of_triangle(jnp.asarray(lower, jnp.float32))
        np.testing.assert_allclose(inverse, np.linalg.inv(lower), atol=2e-5)


@pytest.mark.parametrize("link", [0.0, 1.0])
def test_linear_problem_reaches_the_dense_least_squares_solution(link):
    frames, n, m, rows = 5, 3, 2, 6
    a, b = RNG.normal(size=(frames, rows, n)), RNG.normal(size=(frames, rows, m))
    c, step = RNG.normal(size=(frames, rows)), np.array([0.5, 1.0, 2.0])

    # Oracle: every row of every frame, and every tie of two frames, in one matrix.
    dense = np.zeros((frames * rows + (frames - 1) * n, frames * n + m))
    for f in range(frames):
        dense[f * rows : (f + 1) * rows, f * n : (f + 1) * n] = a[f]
        dense[f * rows : (f + 1) * rows, frames * n :] = b[f]
    for f in range(frames - 1):
        tie = slice(frames * rows + f * n, frames * rows + (f + 1) * n)
        dense[tie, (f + 1) * n : (f + 2) * n] = link * np.diag(1 / step)
        dense[tie, f * n : (f + 1) * n] = -link * np.diag(1 / step)
    expected = np.linalg.lstsq(dense, np.concatenate([c.ravel(), np.zeros((frames - 1) * n)]), rcond=None)[0]

    x, y = bundle.minimise(
        lambda x, y, frame: frame[0] @ x + frame[1] @ y - frame[2],
        tuple(jnp.asarray(v, jnp.float32) for v in (a, b, c)),
        jnp.zeros((frames, n)),
        jnp.zeros(m),
        step=jnp.asarray(step, jnp.float32),
        link=jnp.full(frames - 1, link),
        iterations=4 if link == 0 else 100,  # ties are bounded, not solved: slower, to the same place
    )
    np.testing.assert_allclose(np.concatenate([np.ravel(x), y]), expected, atol=3e-3)  # float32 costs tell no more


def test_curved_valley_is_followed_to_the_minimum_that_scipy_finds():
    def residuals(x, y, frame):
        return jnp.stack([10 * (x[1] - x[0] ** 2), 1 - x[0], y[0] - x[1] * frame])

    def dense(z):
        x, y = z[:4].reshape(2, 2), z[4:]
        rows = [[10 * (a[1] - a[0] ** 2), 1 - a[0], y[0] - a[1] * k] for a, k in zip(x, (0.5, 2.0), strict=True)]
        return np.ravel(rows)

    start = np.array([-1.2, 1.0, -1.2, 1.0, 0.0])
    expected = scipy.optimize.least_squares(dense, start).x
    x, y = bundle.minimise(
        residuals,
        jnp.array([0.5, 2.0]),
        jnp.asarray(start[:4].reshape(2, 2), jnp.float32),
        jnp.zeros(1),
        step=jnp.ones(2),
        link=jnp.zeros(1),
        iterations=60,
    )
    np.testing.assert_allclose(np.concatenate([np.ravel(x), y]), expected, atol=3e-3)  # float32 costs tell no more


def test_a_step_into_nonsense_is_not_taken():
    x, _ = bundle.minimise(
        lambda x, y, frame: jnp.sqrt(x) - frame,  # a full Gauss-Newton step from 0.01 to 0 would be NaN or stall
        -jnp.ones((1, 1)),
        jnp.full((1, 1), 0.01),
        jnp.zeros(1),
        step=jnp.ones(1),
        link=jnp.zeros(0),
        iterations=10,
    )
    assert jnp.isfinite(x).all() and 0 <= x[0, 0] <= 0.01


def test_gradients_pass_through_the_solver():
    def solution(target):
        x, _ = bundle.minimise(
            lambda x, y, frame: jnp.concatenate([x - frame, 0.1 * y]),
            target,
            jnp.zeros((2, 3)),
            jnp.zeros(1),
            step=jnp.ones(3),
            link=jnp.zeros(1),
            iterations=6,
        )
        return x.sum()

    np.testing.assert_allclose(jax.grad(solution)(jnp.ones((2, 3))), 1.0, atol=1e-3)
