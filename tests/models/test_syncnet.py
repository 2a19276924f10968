"""SyncNet against the published network, and as a network to train."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.convert import syncnet as convert
from jaxtalk.models import syncnet


def test_golden_embeddings():
    manifest, arrays = golden_fixture.load("syncnet_python_s")
    variables = convert.syncnet_variables("golden", golden_fixture.state(manifest, arrays))
    given = golden_fixture.inputs(manifest)
    faces = jnp.asarray(np.moveaxis(given["lip"], 1, -1))
    model = syncnet.SyncNet()

    @jax.jit
    def embed(variables, mfcc, faces):
        sound = model.apply(variables, mfcc, method="hear")
        face, between = model.apply(variables, faces, method="see", mutable=["intermediates"])
        return sound, face, between["intermediates"]["face"]["feature"][0]

    with jax.default_matmul_precision("highest"):
        sound, face, feature = embed(variables, jnp.asarray(given["audio"][:, 0]), faces)
    golden_fixture.compare(manifest, arrays, "audio_embedding", sound)
    golden_fixture.compare(manifest, arrays, "lip_embedding", face)
    golden_fixture.compare(manifest, arrays, "lip_feature", feature)


def test_trains_and_keeps_the_axes_of_the_batch():
    """By the tower of the sound, which is small; that of the faces is the same class."""
    model = syncnet.SyncNet(syncnet.Config(width=1, embedding=7))
    mfcc, faces = jax.random.normal(jax.random.key(1), (2, 3, 13, 20)), jnp.zeros((2, 3, 5, 224, 224, 3))
    variables = golden_fixture.variables(jax.eval_shape(model.init, jax.random.key(0), mfcc, faces))
    heard, seen = jax.eval_shape(model.apply, variables, mfcc, faces)
    assert heard.shape == seen.shape == (2, 3, 7) and heard.dtype == seen.dtype == jnp.float32

    def loss(params):
        heard, updated = model.apply(
            {**variables, "params": params}, mfcc, train=True, method="hear", mutable=["batch_stats"]
        )
        return jnp.sum(jnp.sin(3 * heard)), updated["batch_stats"]["sound"]

    slopes, statistics = jax.jit(jax.grad(loss, has_aux=True))(variables["params"])
    for path, slope in jax.tree_util.tree_leaves_with_path(slopes["sound"]):
        centred = "bias" in str(path) and ("conv" in str(path) or "hidden" in str(path))  # batch norm takes it away
        assert np.isfinite(slope).all() and (centred or np.abs(slope).max() > 0), path
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), statistics, variables["batch_stats"]["sound"])
    assert all(jax.tree.leaves(moved))
