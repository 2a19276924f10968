"""wav2vec 2.0's losses against loops over their definitions."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.losses import contrastive


def test_contrastive_is_the_cross_entropy_over_cosines():
    rng = np.random.default_rng(0)
    context, codes = rng.standard_normal((2, 2, 6, 4)).astype(np.float32)
    chosen = rng.integers(0, 3, (2, 6, 2)).astype(np.int32)
    candidates = rng.integers(0, 6, (2, 6, 5)).astype(np.int32)
    loss, right = contrastive.contrastive(*map(jnp.asarray, (context, codes, chosen, candidates)))
    dropped = 0
    for b in range(2):
        for t in range(6):
            others = [s for s in candidates[b, t] if (chosen[b, s] != chosen[b, t]).any()]
            dropped += 5 - len(others)
            rows = np.stack([codes[b, s] for s in [t, *others]])
            cosine = rows @ context[b, t] / np.linalg.norm(rows, axis=1) / np.linalg.norm(context[b, t])
            chance = np.exp(cosine / 0.1) / np.exp(cosine / 0.1).sum()
            np.testing.assert_allclose(loss[b, t], -np.log(chance[0]), rtol=1e-4, atol=1e-5)
            assert right[b, t] == (cosine[0] > cosine[1:].max(initial=-1))
    assert dropped > 0


def test_gradients_are_finite_where_nothing_is_left_to_tell_apart():
    context = jnp.ones((1, 3, 4))
    chosen, candidates = jnp.zeros((1, 3, 2), jnp.int32), jnp.zeros((1, 3, 5), jnp.int32)

    def loss(context, codes):
        return contrastive.contrastive(context, codes, chosen, candidates)[0].sum()

    value, gradients = jax.value_and_grad(loss, (0, 1))(context, jnp.zeros((1, 3, 4)))
    assert value == 0 and all(np.isfinite(g).all() for g in gradients)


def test_diversity_is_zero_for_even_use_and_high_for_collapse():
    masked = jnp.array([[True, True, False]])
    even = jnp.full((1, 3, 2, 8), 1 / 8)
    np.testing.assert_allclose(contrastive.diversity(even, masked), 0, atol=1e-5)
    one = jnp.zeros((1, 3, 2, 8)).at[..., 3].set(1.0)
    np.testing.assert_allclose(contrastive.diversity(one, masked), 1 - 1 / 8, atol=1e-5)
    # Certain choices of two entries in turn count as two; a frame that is not masked does not count.
    two = jnp.zeros((1, 3, 2, 8)).at[0, 0, :, 1].set(1.0).at[0, 1, :, 2].set(1.0).at[0, 2, :, 5].set(1.0)
    np.testing.assert_allclose(contrastive.diversity(two, masked), 1 - 2 / 8, atol=1e-5)
