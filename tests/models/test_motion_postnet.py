"""MotionPostNet and its discriminator against the published networks, with padding, and as networks to train."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import geneface
from jaxtalk.models import motion_discriminator, motion_postnet
from jaxtalk.models.motion_discriminator import MotionDiscriminator
from jaxtalk.models.motion_postnet import MotionPostNet


@pytest.mark.parametrize("fixture", ["geneface_cnn_postnet", "geneface_pitch_postnet"])
def test_golden_correction(fixture):
    manifest, arrays = golden_fixture.load(fixture)
    variables, config = geneface.motion_postnet_variables("golden", golden_fixture.state(manifest, arrays))
    given = golden_fixture.inputs(manifest)
    with jax.default_matmul_precision("highest"):
        refined = jax.jit(MotionPostNet(config).apply)(variables, given["x"], jnp.ones((2, 20)), given.get("pitch"))
    golden_fixture.compare(manifest, arrays, "refined", refined)


def test_golden_validity():
    manifest, arrays = golden_fixture.load("geneface_mlp_discriminator")
    variables, config = geneface.motion_discriminator_variables("golden", golden_fixture.state(manifest, arrays))
    motion = golden_fixture.inputs(manifest)["x"]
    with jax.default_matmul_precision("highest"):
        scores = jax.jit(MotionDiscriminator(config).apply)(variables, motion)
    assert scores.shape == (2, 20)
    golden_fixture.compare(manifest, arrays, "validity", scores.reshape(-1, 1))


@pytest.fixture(scope="module")
def tiny():
    config = motion_postnet.Config(motion=6, width=4)
    keys = jax.random.split(jax.random.key(0), 2)
    motion, pitch = jax.random.normal(keys[0], (2, 12, 6)), jax.random.normal(keys[1], (2, 12, 3))
    mask = jnp.ones((2, 12)).at[1, 7:].set(0)
    abstract = jax.eval_shape(MotionPostNet(config).init, keys[0], motion, mask, pitch)
    return config, golden_fixture.variables(abstract), motion, mask, pitch


def test_a_clip_in_a_padded_batch_is_corrected_as_it_is_alone(tiny):
    config, variables, motion, mask, pitch = tiny
    apply = jax.jit(MotionPostNet(config).apply)
    both = apply(variables, motion, mask, pitch)
    alone = apply(variables, motion[1:, :7], mask[1:, :7], pitch[1:, :7])
    np.testing.assert_allclose(both[1:, :7], alone, atol=1e-5)
    np.testing.assert_array_equal(both[1, 7:], motion[1, 7:])
    assert np.abs(both - motion)[0].max() > 0.1


def test_the_postnet_trains_on_own_frames_and_bfloat16_stays_close(tiny):
    config, variables, motion, mask, pitch = tiny

    @jax.jit
    def grad(params, motion):
        def loss(params):
            both = {**variables, "params": params}
            y, updated = MotionPostNet(config).apply(both, motion, mask, pitch, train=True, mutable=["batch_stats"])
            return jnp.sum(jnp.sin(y) * mask[..., None]), updated

        return jax.grad(loss, has_aux=True)(params)

    slopes = grad(variables["params"], motion)
    for path, slope in jax.tree_util.tree_leaves_with_path(slopes[0]):
        centred = "conv" in str(path) and "bias" in str(path)  # batch norm takes it away
        assert np.isfinite(slope).all() and (centred or np.abs(slope).max() > 0), path
    others = grad(variables["params"], motion.at[1, 7:].set(5.0))
    for got, want in zip(jax.tree.leaves(others), jax.tree.leaves(slopes), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    half = motion_postnet.Config(motion=6, width=4, dtype=jnp.bfloat16)
    got, want = (jax.jit(MotionPostNet(c).apply)(variables, motion, mask, pitch) for c in (half, config))
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, want, atol=0.1)


def test_the_discriminator_trains_with_dropout():
    model, motion = MotionDiscriminator(motion_discriminator.Config(width=4)), jnp.ones((2, 5, 6))
    variables = golden_fixture.variables(jax.eval_shape(model.init, jax.random.key(0), motion))

    @jax.jit
    def score(variables, rng):
        return model.apply(variables, motion, train=True, rngs={"dropout": rng}).sum()

    scores = [score(variables, jax.random.key(k)) for k in (0, 0, 1)]
    assert scores[0] == scores[1] != scores[2]
    slopes = jax.jit(jax.grad(lambda v: model.apply(v, motion).sum()))(variables)
    assert all(np.isfinite(s).all() and np.abs(s).max() > 0 for s in jax.tree.leaves(slopes))
