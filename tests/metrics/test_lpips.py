"""LPIPS as a function of features: known answers, invariances, and gradients where the original has none."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.metrics import lpips as metric

lpips = jax.jit(metric.lpips)


def maps(seed: int, *lead: int) -> list[jax.Array]:
    draw = np.random.default_rng(seed)
    return [jnp.asarray(draw.normal(size=(*lead, *shape)), jnp.float32) for shape in ((6, 4, 5), (3, 2, 8))]


def test_opposite_orthogonal_and_equal_directions():
    a = jnp.asarray([[7.0, 0]] * 3).reshape(3, 1, 1, 2)
    b = jnp.asarray([[-2.0, 0], [0, 3], [0.1, 0]]).reshape(3, 1, 1, 2)
    np.testing.assert_allclose(lpips([a], [b]), [4, 2, 0], atol=1e-6)
    heads = [jnp.array([0.25, 0.5])]
    np.testing.assert_allclose(lpips([a], [b], heads), [1, 0.75, 0], atol=1e-6)
    np.testing.assert_allclose(lpips([a, a], [b, b], heads * 2), [2, 1.5, 0], atol=1e-6)


def test_every_layer_counts_the_same_whatever_its_size_against_numpy():
    a, b = maps(0, 2), maps(1, 2)
    heads = [np.linspace(0, 1, 5).astype(np.float32), np.linspace(2, 0, 8).astype(np.float32)]
    expected = 0
    for x, y, head in zip(a, b, heads, strict=True):
        x, y = (np.asarray(v, np.float64) / np.linalg.norm(v, axis=-1, keepdims=True) for v in (x, y))
        expected = expected + ((x - y) ** 2 * head[None, None, None]).sum(-1).mean((1, 2))
    np.testing.assert_allclose(lpips(a, b, [jnp.asarray(head) for head in heads]), expected, rtol=1e-5)


def test_symmetric_and_blind_to_the_length_of_features():
    a, b = maps(0, 2), maps(1, 2)
    base = lpips(a, b)
    np.testing.assert_allclose(lpips(b, a), base, rtol=1e-6)
    np.testing.assert_allclose(lpips([100 * x for x in a], [0.01 * x for x in b]), base, rtol=1e-5)
    np.testing.assert_allclose(lpips(a, a), 0, atol=1e-12)


def test_a_batch_gives_what_each_gives_alone_jitted_and_mapped():
    a, b = maps(0, 2, 3), maps(1, 2, 3)
    together = lpips(a, b)
    assert together.shape == (2, 3) and together.dtype == jnp.float32
    np.testing.assert_allclose(jax.vmap(lpips)(a, b), together, rtol=1e-5)
    np.testing.assert_allclose(lpips([x[1, 2] for x in a], [x[1, 2] for x in b]), together[1, 2], rtol=1e-5)
    half = lpips(*([jnp.asarray(x, jnp.bfloat16) for x in side] for side in (a, b)))
    np.testing.assert_allclose(half, together, rtol=0.02)


def test_dead_places_count_as_zero_vectors_with_finite_gradients():
    dead, live = jnp.zeros((1, 2, 2, 3)), jnp.ones((1, 2, 2, 3))
    np.testing.assert_allclose(lpips([dead], [live]), 1, rtol=1e-6)  # |0 - unit vector|^2
    np.testing.assert_array_equal(lpips([dead], [dead]), 0)
    half = live.at[0, 0, 0].set(0)
    gradient = jax.jit(jax.grad(lambda a, b: lpips([a], [b]).sum()))
    for a, b in ((dead, live), (dead, dead), (live, live), (half, 2 * live + half)):
        assert np.isfinite(gradient(a, b)).all()
