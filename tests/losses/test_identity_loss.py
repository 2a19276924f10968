"""The supervised contrastive loss against its formula in loops, and which way it pulls."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.losses.identity import supervised_contrastive

EMBEDDING = np.random.default_rng(0).normal(0, 2, (7, 8)).astype(np.float32)
PERSON = np.array([0, 3, 3, 6, 0, 3, 1], np.int32)  # 6 and 1 are alone


def test_is_the_mean_cross_entropy_over_friends():
    loss, wins = supervised_contrastive(jnp.asarray(EMBEDDING), jnp.asarray(PERSON), temperature=0.3)
    unit = EMBEDDING / np.linalg.norm(EMBEDDING, axis=-1, keepdims=True)
    for i in range(7):
        others = [j for j in range(7) if j != i]
        cosine = {j: float(unit[i] @ unit[j]) for j in others}
        total = sum(np.exp(cosine[j] / 0.3) for j in others)
        friends = [j for j in others if PERSON[j] == PERSON[i]]
        want = np.mean([-np.log(np.exp(cosine[j] / 0.3) / total) for j in friends]) if friends else 0.0
        np.testing.assert_allclose(loss[i], want, rtol=1e-4, atol=1e-6)
        assert wins[i] == (max(cosine, key=cosine.get) in friends)


def test_gradients_draw_friends_together_and_do_not_see_length():
    def total(embedding):
        return supervised_contrastive(embedding, jnp.asarray(PERSON))[0].sum()

    gradient = np.asarray(jax.jit(jax.grad(total))(jnp.asarray(EMBEDDING)))
    np.testing.assert_allclose((gradient * EMBEDDING).sum(-1), 0, atol=1e-3)
    moved = EMBEDDING - 0.05 * gradient
    assert total(jnp.asarray(moved)) < total(jnp.asarray(EMBEDDING))


def test_equal_and_zero_embeddings_have_finite_gradients():
    for embedding in (jnp.zeros((7, 8)), jnp.ones((7, 8))):
        loss, gradient = jax.value_and_grad(lambda e: supervised_contrastive(e, jnp.asarray(PERSON))[0].sum())(
            embedding
        )
        np.testing.assert_allclose(loss, 5 * np.log(6), rtol=1e-5)
        assert np.isfinite(gradient).all()
