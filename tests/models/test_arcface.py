"""IResNet against the public PyTorch class, and as a network to train."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import arcface as converter
from jaxtalk.models import arcface


def test_golden_embedding():
    manifest, arrays = golden_fixture.load("arcface_iresnet50")
    state = golden_fixture.state(manifest, arrays)
    config = converter.read_config("golden", state)
    assert config == arcface.Config()
    variables = converter.variables("golden", state, config)
    crop = jnp.asarray(golden_fixture.inputs(manifest)["crop"].transpose(0, 2, 3, 1))
    network = arcface.IResNet(config)
    with jax.default_matmul_precision("highest"):
        embedding, kept = jax.jit(
            lambda v, x: network.apply(v, x, capture_intermediates=lambda m, _: m.name == "out_norm")
        )(variables, crop)
    features = kept["intermediates"]["out_norm"]["__call__"][0]
    golden_fixture.compare(manifest, arrays, "features", features.transpose(0, 3, 1, 2))
    golden_fixture.compare(manifest, arrays, "embedding", embedding)


@pytest.fixture(scope="module")
def small():
    network = arcface.IResNet(arcface.Config(depth=18, width=4, embedding=8))
    crop = jax.random.uniform(jax.random.key(0), (2, 112, 112, 3), minval=-1)
    return network, golden_fixture.variables(jax.eval_shape(network.init, jax.random.key(1), crop)), crop


@pytest.mark.slow
def test_training_updates_statistics_and_every_parameter_has_a_gradient(small):
    network, variables, crop = small

    def loss(params):
        embedding, updated = network.apply({**variables, "params": params}, crop, train=True, mutable="batch_stats")
        return jnp.sum(jnp.sin(3 * embedding) * jnp.arange(8.0)[None]), updated

    grads, updated = jax.jit(jax.grad(loss, has_aux=True))(variables["params"])
    for path, gradient in jax.tree_util.tree_leaves_with_path(grads):
        centred = "embed'" in str(path) and "bias" in str(path)  # batch norm takes a bias before it away
        assert centred or np.abs(gradient).max() > 0, path
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), updated["batch_stats"], variables["batch_stats"])
    assert all(jax.tree.leaves(moved))


@pytest.mark.parametrize(("depth", "millions"), [(18, 24.03), (50, 43.59), (100, 65.16)])
def test_published_sizes(depth, millions):
    network = arcface.IResNet(arcface.Config(depth=depth))
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 112, 112, 3)))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) / 1e6 == pytest.approx(millions, abs=0.01)
