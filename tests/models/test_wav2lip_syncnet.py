"""Wav2Lip's sync expert against the published network, and as a network to train."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.audio import mel
from jaxtalk.convert import syncnet as convert
from jaxtalk.losses import sync
from jaxtalk.metrics import lip_sync
from jaxtalk.models import wav2lip_syncnet


def test_golden_embeddings():
    manifest, arrays = golden_fixture.load("wav2lip_syncnet_color")
    variables = convert.wav2lip_variables("golden", golden_fixture.state(manifest, arrays))
    given = golden_fixture.inputs(manifest)
    faces = np.moveaxis(given["face"].reshape(2, 5, 3, 48, 96), 2, -1)  # frames, then colours, are their channels
    apply = jax.jit(wav2lip_syncnet.SyncExpert().apply)
    with jax.default_matmul_precision("highest"):
        sound, face = apply(variables, jnp.asarray(given["mel"][:, 0]), jnp.asarray(faces))
    golden_fixture.compare(manifest, arrays, "audio_embedding", sound)
    golden_fixture.compare(manifest, arrays, "face_embedding", face)
    score = lip_sync.sync_score(face, sound)
    cosines = (arrays["out/audio_embedding"] * arrays["out/face_embedding"]).reshape(2, -1).sum(-1)
    np.testing.assert_allclose(score, cosines.mean(), atol=1e-5)


@pytest.mark.slow
def test_it_learns_from_its_loss_with_every_parameter():
    """The tower of the sound, towards faces that stay as they are."""
    model = wav2lip_syncnet.SyncExpert(wav2lip_syncnet.Config(width=1))
    sound, faces = jax.random.normal(jax.random.key(1), (4, 80, 16)), jnp.zeros((4, 5, 48, 96, 3))
    variables = golden_fixture.variables(jax.eval_shape(model.init, jax.random.key(0), sound, faces))
    seen, together = jax.random.uniform(jax.random.key(2), (4, 16)), jnp.array([1.0, 0.0, 1.0, 0.0])

    @jax.jit
    @jax.value_and_grad
    def loss(params):
        heard, _ = model.apply(
            {**variables, "params": params}, sound, train=True, method="hear", mutable=["batch_stats"]
        )
        return sync.cross_entropy(lip_sync.agreement(seen, heard), together).mean()

    before, slopes = loss(variables["params"])
    for path, slope in jax.tree_util.tree_leaves_with_path(slopes["sound"]):
        centred = "conv" in str(path) and "bias" in str(path)  # batch norm takes a bias before it away
        assert np.isfinite(slope).all() and (centred or np.abs(slope).max() > 0), path
    after, _ = loss(jax.tree.map(lambda p, s: p - 0.001 * s, variables["params"], slopes))
    assert float(after) < float(before)


def test_mel_windows_begin_where_the_published_code_begins_them():
    columns = jnp.broadcast_to(jnp.arange(200.0)[:, None], (200, 80))
    windows = mel.windows(columns, wav2lip_syncnet.FPS, 40, first=2)
    starts = [int(80 * (frame / 25)) for frame in range(40)]
    np.testing.assert_array_equal(windows[:, 0, 0], starts)
    np.testing.assert_array_equal(windows[:, 0, -1], np.asarray(starts) + 15)
