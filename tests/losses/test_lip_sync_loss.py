import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.losses import lip_sync

RNG = np.random.default_rng(0)


def test_similarity_is_that_of_sound_so_many_frames_later():
    lips, sound = (jnp.asarray(RNG.normal(size=(2, 12, 4)), jnp.float32) for _ in range(2))
    got = np.asarray(lip_sync.shifted_similarity(lips, sound, 3))
    assert got.shape == (2, 6, 7)
    for i in range(6):
        for s in range(-3, 4):
            np.testing.assert_allclose(got[:, i, s + 3], (lips[:, i + 3] * sound[:, i + 3 + s]).sum(-1), rtol=1e-5)


def test_others_are_the_next_clips_of_the_batch():
    lips, sound = (jnp.asarray(RNG.normal(size=(3, 5, 4)), jnp.float32) for _ in range(2))
    got = np.asarray(lip_sync.other_similarity(lips, sound, 2))
    np.testing.assert_allclose(got[0, :, 0], (lips[0] * sound[2]).sum(-1), rtol=1e-5)
    np.testing.assert_allclose(got[0, :, 1], (lips[0] * sound[1]).sum(-1), rtol=1e-5)


def test_window_means():
    x = jnp.asarray(RNG.normal(size=(2, 9, 3)), jnp.float32)
    got = lip_sync.window_means(x, 4)
    np.testing.assert_allclose(got[:, 2], x[:, 2:6].mean(1), atol=1e-6)
    assert got.shape == (2, 6, 3)


def test_surprise_is_a_softmax_without_near_shifts():
    similarity = jnp.asarray([[[0.1, 0.9, 0.5, 0.8, 0.2]]])
    others = jnp.asarray([[[0.3]]])
    got = lip_sync.surprise(similarity, jnp.float32(2.0), 1, others)
    logits = 2 * jnp.array([0.1, 0.5, 0.2, 0.3])
    np.testing.assert_allclose(got[0, 0], -jax.nn.log_softmax(logits)[1], rtol=1e-5)


def test_gradients_are_finite_where_all_is_alike():
    grad = jax.grad(lambda x: lip_sync.surprise(x, jnp.float32(10.0), 2, x[..., :0]).sum())(jnp.ones((1, 2, 11)))
    assert bool(jnp.isfinite(grad).all()) and float(jnp.abs(grad).max()) > 0


def test_disorder_is_what_is_missing_of_the_margin():
    similarity = np.zeros((1, 4, 31), np.float32)
    similarity[:, :, [9, 10, 11, 19, 20, 21]] = 0.3  # 5 frames off, and one to either side
    similarity[:, :, [4, 5, 6, 24, 25, 26]] = 0.28
    got = lip_sync.disorder(jnp.asarray(similarity), 5, 10, 0.06)
    np.testing.assert_allclose(got, [0.04], atol=1e-6)
    np.testing.assert_allclose(lip_sync.disorder(jnp.asarray(similarity), 5, 10, 0.01), [0.0])
