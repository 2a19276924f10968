"""MotionSyncNet against the published network, and as a network to train."""

import functools

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import geneface
from jaxtalk.models.motion_sync_net import MOUTH, Config, MotionSyncNet, Tower


def test_golden_embeddings():
    manifest, arrays = golden_fixture.load("geneface_syncnet")
    variables, config = geneface.motion_sync_net_variables("golden", golden_fixture.state(manifest, arrays))
    given = golden_fixture.inputs(manifest)
    with jax.default_matmul_precision("highest"):
        sound, mouth = jax.jit(MotionSyncNet(config).apply)(variables, given["hubert"], given["mouth"])
    golden_fixture.compare(manifest, arrays, "audio_embedding", sound)
    golden_fixture.compare(manifest, arrays, "mouth_embedding", mouth)


@pytest.fixture(scope="module")
def tiny():
    model, keys = MotionSyncNet(Config(width=1)), jax.random.split(jax.random.key(0), 2)
    hubert, mouth = jax.random.normal(keys[0], (2, 3, 10, 7)), jax.random.normal(keys[1], (2, 3, 5, 6))
    return model, golden_fixture.variables(jax.eval_shape(model.init, keys[0], hubert, mouth)), hubert, mouth


def test_embeddings_are_unit_vectors_without_negative_entries_and_keep_the_axes_of_the_batch(tiny):
    model, variables, hubert, mouth = tiny
    for embedding in jax.jit(model.apply)(variables, hubert, mouth):
        assert embedding.shape == (2, 3, 16) and embedding.dtype == jnp.float32 and embedding.min() >= 0
        np.testing.assert_allclose(jnp.linalg.norm(embedding, axis=-1), 1.0, atol=1e-6)


def test_a_tower_trains_and_bfloat16_stays_close():
    """By its last four layers, one of each kind."""
    tower, x = Tower(Config(width=1), MOUTH[-4:]), jax.random.normal(jax.random.key(0), (4, 3, 16))
    variables = golden_fixture.variables(
        jax.eval_shape(functools.partial(tower.init, train=False), jax.random.key(1), x)
    )

    def loss(params):
        y, updated = tower.apply({**variables, "params": params}, x, train=True, mutable=["batch_stats"])
        return jnp.sum(jnp.sin(3 * y)), updated["batch_stats"]

    slopes, statistics = jax.jit(jax.grad(loss, has_aux=True))(variables["params"])
    for path, slope in jax.tree_util.tree_leaves_with_path(slopes):
        centred = "conv" in str(path) and "bias" in str(path)  # batch norm takes it away
        assert np.isfinite(slope).all() and (centred or np.abs(slope).max() > 0), path
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), statistics, variables["batch_stats"])
    assert all(jax.tree.leaves(moved))
    half = Tower(Config(width=1, dtype=jnp.bfloat16), MOUTH[-4:])
    got, want = (jax.jit(functools.partial(t.apply, train=False))(variables, x) for t in (half, tower))
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, want, atol=0.05)
