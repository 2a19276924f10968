"""Samplers: where their samples fall, against distributions, brute force and the published code."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.render import ray_samples

NEAR, FAR = jnp.asarray([0.5, 1.0]), jnp.asarray([2.0, 1.5])


def histogram(rays=3, bins=8):
    """Edges and weights, one of them zero."""
    rng = np.random.default_rng(0)
    edges, weights = np.cumsum(rng.uniform(0.1, 1.0, (rays, bins + 1)), -1), rng.exponential(1.0, (rays, bins))
    weights[:, 3] = 0
    return jnp.asarray(edges, jnp.float32), jnp.asarray(weights, jnp.float32)


def test_stratified_samples_are_in_order_and_one_in_each_stratum():
    even = ray_samples.stratified(NEAR, FAR, 7)
    np.testing.assert_allclose(even, np.linspace(NEAR, FAR, 7, axis=-1), atol=1e-6)
    rough = jax.vmap(lambda rng: ray_samples.stratified(NEAR, FAR, 7, rng))(jax.random.split(jax.random.key(0), 500))
    middle = (even[:, 1:] + even[:, :-1]) / 2
    low, high = (jnp.concatenate(parts, -1) for parts in ((even[:, :1], middle), (middle, even[:, -1:])))
    assert (rough >= low[None]).all() and (rough <= high[None]).all()
    np.testing.assert_allclose(rough.mean(0), (low + high) / 2, atol=0.02)
    np.testing.assert_allclose(rough.std(0), (high - low) / np.sqrt(12), rtol=0.1)


def test_widths_reach_to_the_next_sample():
    distance = jnp.asarray([[1.0, 1.5, 3.0]])
    np.testing.assert_allclose(ray_samples.widths(distance), [[0.5, 1.5, ray_samples.FOREVER]])


def test_importance_samples_follow_the_histogram():
    edges, weights = histogram()
    for rng in (None, jax.random.key(1)):
        samples = ray_samples.importance(edges, weights, 4000, rng)
        assert (samples[:, 1:] >= samples[:, :-1]).all()
        for ray in range(3):
            counts, _ = np.histogram(samples[ray], np.asarray(edges[ray], np.float64) + [*[0] * 8, 1e-4])
            assert counts.sum() == 4000
            np.testing.assert_allclose(counts / 4000, weights[ray] / weights[ray].sum(), atol=1e-3)


def test_importance_samples_spread_evenly_within_a_bin():
    samples = ray_samples.importance(jnp.asarray([0.0, 1.0, 3.0]), jnp.asarray([0.0, 1.0]), 1001)
    np.testing.assert_allclose(samples[1:], np.linspace(1, 3, 1001)[1:], atol=1e-3)


def test_a_ray_through_nothing_is_sampled_evenly():
    samples = ray_samples.importance(jnp.linspace(2.0, 4.0, 6), jnp.zeros(5), 21)
    np.testing.assert_allclose(samples, np.linspace(2, 4, 21), atol=1e-5)


def test_no_gradient_reaches_the_weights_through_where_samples_are():
    edges, weights = histogram()
    gradient = jax.grad(lambda weights: jnp.sum(ray_samples.importance(edges, weights, 5)))(weights)
    assert not gradient.any()


def test_samples_as_genefaces_sample_pdf():
    manifest, arrays = golden_fixture.load("geneface_lm3d_nerf")
    distance = jnp.sort(jnp.asarray(0.3 + 0.6 * golden_fixture.inputs(manifest)["z_vals"]), -1)
    weights = jnp.asarray(arrays["out/weights"].reshape(6, 24))
    samples = ray_samples.importance(ray_samples.middles(distance), weights[:, 1:-1], 16)
    golden_fixture.compare(manifest, arrays, "sample_pdf", samples)


def test_the_outer_bound_holds_for_the_same_matter_seen_in_any_bins():
    edges, weights = histogram()
    cumulative = jnp.concatenate([jnp.zeros((3, 1)), jnp.cumsum(weights, -1)], -1)
    others = jnp.sort(jax.random.uniform(jax.random.key(2), (3, 14)), -1)
    others = edges[:, :1] + (edges[:, -1:] - edges[:, :1]) * others.at[:, 0].set(0.0).at[:, -1].set(1.0)
    mass = jnp.diff(jax.vmap(jnp.interp)(others, edges, cumulative), axis=-1)
    bound = ray_samples.outer(edges, others, mass)
    edges, weights, others, mass = map(np.asarray, (edges, weights, others, mass))
    for ray, begin in np.ndindex(3, 8):
        touching = [
            mass[ray, j]
            for j in range(13)
            if others[ray, j] < edges[ray, begin + 1] and others[ray, j + 1] > edges[ray, begin]
        ]
        np.testing.assert_allclose(bound[ray, begin], np.sum(touching), rtol=1e-5)
    assert (bound >= weights - 1e-5).all()
    edges, weights, others, mass = map(jnp.asarray, (edges, weights, others, mass))
    np.testing.assert_allclose(ray_samples.interlevel(edges, weights, others, mass), 0.0, atol=1e-6)
    np.testing.assert_allclose(ray_samples.outer(edges, edges, weights), weights, atol=1e-6)


def test_the_interlevel_loss_raises_the_proposal_where_it_misses_matter():
    edges, weights = histogram()
    loss = lambda weights, proposal: jnp.sum(ray_samples.interlevel(edges, weights, edges, proposal))  # noqa: E731
    value, gradients = jax.jit(jax.value_and_grad(loss, (0, 1)))(weights, 0.5 * weights)
    np.testing.assert_allclose(value, jnp.sum(weights) / 4, rtol=1e-4)
    assert not gradients[0].any()
    np.testing.assert_allclose(gradients[1], -(weights > 0).astype(np.float32), atol=1e-4)
