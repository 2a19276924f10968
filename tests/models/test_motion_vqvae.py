"""The motion prior against the published networks, in padded batches, while codes still come, and in training."""

import dataclasses
import functools

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import codetalker
from jaxtalk.losses import codebook as losses
from jaxtalk.models.codebook import distances
from jaxtalk.models.motion_vqvae import BIWI, Config, MotionVqvae

TINY = Config(coordinates=6, width=8, layers=1, heads=2, hidden=12, codes=16, parts=2, code_width=3, projected=True)


@pytest.mark.slow  # half a gigabyte of weights, and one
@pytest.mark.parametrize(("fixture", "usual"), [("vocaset", Config()), ("biwi", BIWI)])
def test_golden(fixture, usual):
    manifest, arrays = golden_fixture.load(f"codetalker_vqautoencoder_{fixture}")
    variables, config = codetalker.prior_variables("golden", golden_fixture.state(manifest, arrays))
    assert config == dataclasses.replace(usual, published_scale=True)
    given = golden_fixture.inputs(manifest)
    template = jnp.asarray(given["template"])[:, None]
    with jax.default_matmul_precision("highest"):
        made, features, coded = jax.jit(MotionVqvae(config).apply)(variables, given["vertices"] - template)
        codes = jnp.asarray(variables["params"]["codebook"]["codes"])
        apart = jnp.sort(distances(codes, features[0]), axis=-1).reshape(-1, config.codes)

    def compare(name, value):
        golden_fixture.compare(manifest, arrays, name, value)

    compare("encoder", features.reshape(1, 8, -1))
    compare("indices", coded.indices.reshape(1, -1))
    compare("quantised", jnp.swapaxes(coded.codes.reshape(1, -1, config.code_width), 1, 2))
    compare("emb_loss", losses.quantisation(features, coded.codes))
    compare("top2_margin", apart[:, 1] - apart[:, 0])
    compare("decoder", made)
    compare("out", made + template)


@functools.cache
def tiny(config=TINY):
    """Lively variables and two clips of 9 frames."""
    motion = jax.random.normal(jax.random.key(1), (2, 9, 6))
    return golden_fixture.variables(jax.eval_shape(MotionVqvae(config).init, jax.random.key(0), motion)), motion


@functools.partial(jax.jit, static_argnames=("method", "config"))
def apply(variables, *given, method="__call__", config=TINY):
    return MotionVqvae(config).apply(variables, *given, method=method)


def test_a_clip_in_a_padded_batch_moves_as_it_does_alone():
    variables, motion = tiny()
    lengths = jnp.array([9, 5])
    padded = motion.at[1, 5:].set(7.0)
    both, among, coded = apply(variables, padded, lengths)
    alone, features, own = apply(variables, motion[1:, :5])
    np.testing.assert_allclose(both[1, :5], alone[0], atol=1e-5)
    np.testing.assert_allclose(among[1, :5], features[0], atol=1e-5)
    np.testing.assert_array_equal(coded.indices[1, :5], own.indices[0])
    assert coded.indices.shape == (2, 9, 2)
    longer = apply(variables, motion)[0]
    assert np.abs(longer - both)[1, :5].max() > 1e-3 and np.abs(longer - both)[0].max() < 1e-5


def test_following_codes_is_decoding_all_so_far_until_the_window_is_full():
    """Then what is before the window still counts in the norm: where nothing else looks back, nothing is lost."""
    variables, motion = tiny()
    codes = jax.random.normal(jax.random.key(2), (2, 9, TINY.features))

    @jax.jit
    def follow(variables):
        def frame(state, given):
            codes, frame = given
            return MotionVqvae(TINY).apply(variables, state, codes, frame, (-1, -2), method="follow")

        start = MotionVqvae(TINY).apply(variables, 2, 6, method="start")
        return jax.lax.scan(frame, start, (jnp.swapaxes(codes, 0, 1), jnp.arange(9)))

    state, made = follow(variables)
    for length in (1, 2, 6):
        whole = apply(variables, codes, jnp.array([length, length]), method="decode")
        np.testing.assert_allclose(made[length - 1, :, 0], whole[:, length - 1], atol=1e-5)
        if length > 1:
            np.testing.assert_allclose(made[length - 1, :, 1], whole[:, length - 2], atol=1e-5)
    np.testing.assert_array_equal(state.before.count, [3, 3])  # of 9 frames, 6 are in the window
    blind = jax.tree_util.tree_map_with_path(lambda path, x: 0 * x if "attention" in str(path) else x, variables)
    made = follow(blind)[1]
    whole = apply(blind, codes, method="decode")
    np.testing.assert_allclose(made[-1, :, 0], whole[:, -1], atol=1e-5)

    wider = state.wider(8)
    assert wider.codes.shape[1] == 8 + 3
    looked = MotionVqvae(TINY).apply(blind, state, jnp.int32(8), (-1, -2), method="look")
    np.testing.assert_allclose(looked, made[-1], atol=1e-5)


def test_a_frame_alone_is_what_the_same_frame_twice_is():
    """The original decodes its first frame twice over, since its norm refuses a single one."""
    variables, _ = tiny()
    codes = jax.random.normal(jax.random.key(2), (1, 1, TINY.features))
    once = apply(variables, codes, method="decode")
    twice = apply(variables, jnp.repeat(codes, 2, axis=1), method="decode")
    np.testing.assert_allclose(twice[:, 0], once[:, 0], atol=1e-6)


def test_every_parameter_has_a_gradient_and_bfloat16_stays_close():
    variables, motion = tiny()
    lengths = jnp.array([9, 5])

    @jax.jit
    def grad(params, motion):
        def loss(params):
            rngs = {"dropout": jax.random.key(5)}
            made, features, coded = MotionVqvae(TINY).apply({"params": params}, motion, lengths, train=True, rngs=rngs)
            own = jnp.arange(9)[None] < lengths[:, None]
            total = losses.absolute_error(made, motion, own) + losses.quantisation(features, coded.codes, own)
            return total.sum()

        return jax.grad(loss)(params)

    slopes = grad(variables["params"], motion)
    for path, slope in jax.tree_util.tree_leaves_with_path(slopes):
        assert np.isfinite(slope).all() and np.abs(slope).max() > 0, path
    other = grad(variables["params"], motion.at[1, 5:].set(3.0))
    for got, want in zip(jax.tree.leaves(other), jax.tree.leaves(slopes), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5)

    half = dataclasses.replace(TINY, dtype=jnp.bfloat16)
    made = apply(variables, motion, config=half, method="encode"), apply(variables, motion, method="encode")
    np.testing.assert_allclose(*(x.astype(jnp.float32) for x in made), atol=0.1)


def test_width_is_a_matter_of_scale_in_attention_only():
    """`published_scale` divides attention by a constant more, which halves of queries undo."""
    variables, motion = tiny()
    published = dataclasses.replace(TINY, published_scale=True)
    assert np.abs(apply(variables, motion, config=published)[0] - apply(variables, motion)[0]).max() > 1e-4

    def louder(path, x):
        return x * np.sqrt(TINY.heads) if path[-2].key == "query" else x

    scaled = jax.tree_util.tree_map_with_path(louder, variables)
    np.testing.assert_allclose(apply(scaled, motion, config=published)[0], apply(variables, motion)[0], atol=1e-5)
