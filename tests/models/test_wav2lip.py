"""Wav2Lip's generator and discriminator against the published networks, and as networks to train."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import wav2lip as convert
from jaxtalk.models import wav2lip, wav2lip_discriminator


def pixels(x):
    """[..., c, h, w] -> [..., h, w, c]"""
    return np.moveaxis(x, -3, -1)


def test_golden_faces():
    """Single pictures and pictures over time are one batch here, [2 + 3]: one function to compile."""
    manifest, arrays = golden_fixture.load("wav2lip_generator")
    variables = convert.generator_variables("golden", golden_fixture.state(manifest, arrays))
    given = golden_fixture.inputs(manifest)
    mel = np.concatenate([given["mel"], given["mel5"][0]])[:, 0]
    faces = pixels(np.concatenate([given["face"], np.swapaxes(given["face5"][0], 0, 1)]))
    with jax.default_matmul_precision("highest"):
        out, aux = jax.jit(wav2lip.Generator().apply)(variables, jnp.asarray(mel), jnp.asarray(faces))
    golden_fixture.compare(manifest, arrays, "audio_embedding", aux["sound"][:2])
    golden_fixture.compare(manifest, arrays, "face_embedding", aux["face"][:2])
    made = np.moveaxis(np.asarray(out), -1, 1)
    golden_fixture.compare(manifest, arrays, "out", made[:2])
    golden_fixture.compare(manifest, arrays, "out_5d", np.swapaxes(made[2:], 0, 1)[None])


def test_golden_quality():
    manifest, arrays = golden_fixture.load("wav2lip_disc_qual")
    variables = convert.discriminator_variables("golden", golden_fixture.state(manifest, arrays))
    faces = pixels(np.swapaxes(golden_fixture.inputs(manifest)["face"][0], 0, 1))
    with jax.default_matmul_precision("highest"):
        logit, aux = jax.jit(wav2lip_discriminator.Discriminator().apply)(variables, jnp.asarray(faces))
    golden_fixture.compare(manifest, arrays, "lower_half_features", aux["feature"])
    golden_fixture.compare(manifest, arrays, "prob", jax.nn.sigmoid(logit)[:, None])


def test_only_the_lower_half_of_a_frame_is_hidden_and_judged():
    frames, references = np.random.default_rng(0).random((2, 2, 96, 96, 3), np.float32)
    seen = wav2lip.black_out(jnp.asarray(frames), jnp.asarray(references))
    np.testing.assert_array_equal(seen[:, :48, :, :3], frames[:, :48])
    assert not np.asarray(seen[:, 48:, :, :3]).any()
    np.testing.assert_array_equal(seen[..., 3:], references)
    model = wav2lip_discriminator.Discriminator(wav2lip_discriminator.Config(width=1))
    variables = golden_fixture.variables(jax.eval_shape(model.init, jax.random.key(0), jnp.asarray(frames)))
    slope = jax.jit(jax.grad(lambda faces: model.apply(variables, faces)[0].sum()))(jnp.asarray(frames))
    assert not np.asarray(slope[:, :48]).any() and np.asarray(slope[:, 48:]).any()


@pytest.mark.slow
def test_the_generator_learns_with_every_parameter():
    model = wav2lip.Generator(wav2lip.Config(width=2))
    mel, faces = (
        jax.random.normal(jax.random.key(1), (4, 80, 16)),
        jax.random.uniform(jax.random.key(2), (4, 96, 96, 6)),
    )
    variables = golden_fixture.variables(jax.eval_shape(model.init, jax.random.key(0), mel, faces))

    @jax.jit
    @jax.value_and_grad
    def loss(params):
        (made, _), _ = model.apply({**variables, "params": params}, mel, faces, train=True, mutable=["batch_stats"])
        return jnp.abs(made - faces[..., 3:]).mean()

    before, slopes = loss(variables["params"])
    for path, slope in jax.tree_util.tree_leaves_with_path(slopes):
        centred = "conv" in str(path) and "bias" in str(path)  # batch norm takes a bias before it away
        assert np.isfinite(slope).all() and (centred or np.abs(slope).max() > 0), path
    after, _ = loss(jax.tree.map(lambda p, s: p - 0.01 * s, variables["params"], slopes))
    assert float(after) < float(before)
