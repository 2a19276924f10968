"""Losses on keypoints: what they are 0 for, what they ask for, and their gradients."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.losses import keypoints as losses


def points(seed: int = 0, spread: float = 0.5):
    return spread * jax.random.normal(jax.random.key(seed), (2, 6, 3))


def test_equivariance_asks_for_x_and_y_of_the_warped_keypoints_only():
    def place(xy):
        return 0.5 * xy + 0.1

    moved = points()
    still = jnp.concatenate([place(moved[..., :2]), points(1)[..., 2:]], -1)
    np.testing.assert_allclose(losses.equivariance(still, moved, place), 0, atol=1e-7)
    off = still.at[1, :, 0].add(0.2)
    np.testing.assert_allclose(losses.equivariance(off, moved, place), [0, 0.1], atol=1e-6)


def test_prior_is_the_sum_over_ordered_pairs_that_are_too_near():
    given = np.asarray(points(spread=0.2))
    for one, found in zip(given, losses.prior(jnp.asarray(given)), strict=True):
        near = sum(max(0, 0.1 - ((a - b) ** 2).sum()) for i, a in enumerate(one) for j, b in enumerate(one) if i != j)
        np.testing.assert_allclose(found, near + abs(one[:, 2].mean() - 0.33), rtol=1e-5)


def test_prior_is_content_with_keypoints_apart_at_the_right_depth():
    apart = jnp.eye(3)[None] * jnp.array([[[1.0, 1.0, 0.99]]])
    np.testing.assert_allclose(losses.prior(apart), 0, atol=1e-6)
    together = losses.prior(jnp.zeros((1, 3, 3)).at[..., 2].set(0.33))
    np.testing.assert_allclose(together, 6 * 0.1, rtol=1e-5)


def test_gradients_are_finite_where_keypoints_fall_together():
    same = jnp.full((1, 4, 3), 0.33)
    for loss in (losses.prior, losses.deformation, lambda p: losses.equivariance(p, p, lambda xy: xy)):
        assert np.isfinite(jax.grad(lambda p, loss=loss: loss(p).sum())(same)).all()


def test_head_pose_and_deformation_are_sums_of_absolute_values():
    angles = jnp.array([[10.0, -5.0, 2.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(losses.head_pose(angles, jnp.zeros((2, 3))), [17, 0])
    np.testing.assert_allclose(losses.deformation(jnp.full((2, 5, 3), -0.1)), [0.3, 0.3], rtol=1e-6)
