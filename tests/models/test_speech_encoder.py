"""The speech encoders against the published networks, and what padding and precision may do to them."""

import dataclasses
import functools

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import speech_encoder as convert
from jaxtalk.errors import InputError
from jaxtalk.models.speech_encoder import (
    BASE,
    LARGE,
    Attention,
    Config,
    ContextNetwork,
    Layer,
    SpeechEncoder,
    normalise,
)  # fmt: skip

GOLDEN = {
    "speech_wav2vec2_base": BASE,
    "speech_hubert_base": BASE,
    "speech_hubert_large4": dataclasses.replace(LARGE, layers=4),
}
SMALL = Config(  # three convolutions: hop 20, reach 30
    width=32, layers=2, heads=4, hidden=64, conv_widths=(16,) * 3, conv_windows=(10, 3, 2), conv_strides=(5, 2, 2),
    position_window=16, position_groups=4,
)  # fmt: skip
SMALL_LARGE = dataclasses.replace(SMALL, conv_bias=True, conv_norm="layer", norm_first=True)
KINDS = pytest.mark.parametrize("config", [SMALL, SMALL_LARGE], ids=["base", "large"])


@functools.partial(jax.jit, static_argnums=0)
def encode(config, variables, wave, lengths=None):
    return SpeechEncoder(config).apply(variables, wave, lengths)


@functools.cache
def lively(config):
    abstract = jax.eval_shape(SpeechEncoder(config).init, jax.random.key(0), jnp.zeros((1, 400)))
    return golden_fixture.variables(abstract)


def speech(*shape):
    """Noise whose loudness comes and goes."""
    noise = jax.random.normal(jax.random.key(7), shape)
    return noise * (1 + jnp.sin(jnp.arange(shape[-1]) / 500))[None]


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name):
    manifest, arrays = golden_fixture.load(name)
    config = GOLDEN[name]
    variables = convert.variables("golden", golden_fixture.state(manifest, arrays), config)
    wave = jnp.asarray(golden_fixture.inputs(manifest)["audio"])
    with jax.default_matmul_precision("highest"):
        last, aux = encode(config, variables, wave)
    golden_fixture.compare(manifest, arrays, "conv_features", np.swapaxes(aux["features"], 1, 2))
    golden_fixture.compare(manifest, arrays, "projected", aux["projected"])
    golden_fixture.compare(manifest, arrays, "pos_conv", aux["position"])
    golden_fixture.compare(manifest, arrays, "hidden_1", aux["layers"][0])
    golden_fixture.compare(manifest, arrays, "last_hidden_state", last)


@KINDS
def test_a_padded_batch_gives_what_each_utterance_gives_alone(config):
    variables, wave, lengths = lively(config), speech(2, 700), [431, 700]
    padding = jnp.arange(700)[None] >= jnp.array(lengths)[:, None]
    batch, aux = encode(config, variables, jnp.where(padding, 5.0, wave), jnp.array(lengths))
    for row, length in enumerate(lengths):
        alone, own = encode(config, variables, wave[row : row + 1, :length])
        frames = alone.shape[1]
        assert frames == config.frames(length) == int(aux["own"][row].sum())
        np.testing.assert_allclose(batch[row, :frames], alone[0], atol=2e-5)
        np.testing.assert_allclose(aux["features"][row, :frames], own["features"][0], atol=2e-5)
        np.testing.assert_allclose(aux["layers"][0][row, :frames], own["layers"][0][0], atol=2e-5)
        assert np.all(batch[row, frames:] == 0)


def test_what_lies_in_the_padding_has_no_gradient():
    """Base, whose statistics over time are the ones that could hear it."""
    config, wave, lengths = SMALL, speech(2, 490), jnp.array([313, 490])

    def loss(variables, wave):
        return jnp.sum(jnp.sin(3 * encode(config, variables, wave, lengths)[0]))

    of_variables, of_wave = jax.jit(jax.grad(loss, (0, 1)))(lively(config), wave)
    assert np.all(of_wave[0, 313:] == 0)
    heard = config.hop * (config.frames(313) - 1) + config.reach
    assert np.all(of_wave[0, :heard] != 0) and np.all(of_wave[1] != 0)
    for path, gradient in jax.tree_util.tree_leaves_with_path(of_variables):
        # A constant added to all keys changes no weight of attention.
        assert "key" in str(path) and "bias" in str(path) or np.abs(gradient).max() > 1e-4, path


def test_one_frame_more_every_hop():
    assert (BASE.hop, BASE.reach) == (320, 400)
    for samples, frames in [(0, 0), (399, 0), (400, 1), (719, 1), (720, 2), (16000, 49)]:
        assert BASE.frames(samples) == frames
        assert BASE.frames(jnp.array([samples]))[0] == frames
    assert (SMALL.hop, SMALL.reach) == (20, 30)
    assert jax.eval_shape(functools.partial(encode, SMALL), lively(SMALL), jnp.zeros((1, 49)))[0].shape == (1, 1, 32)
    with pytest.raises(InputError, match="at least 30"):
        encode(SMALL, lively(SMALL), jnp.zeros((1, 29)))


def test_normalise_is_over_an_utterances_own_samples():
    wave = np.asarray(3 * speech(2, 900) + 1)
    done = jax.jit(normalise)(jnp.asarray(wave), jnp.array([500, 900]))
    np.testing.assert_allclose(done[0, :500], (wave[0, :500] - wave[0, :500].mean()) / wave[0, :500].std(), atol=1e-4)
    assert np.all(done[0, 500:] == 0)
    np.testing.assert_allclose(done[1], (wave[1] - wave[1].mean()) / wave[1].std(), atol=1e-4)
    np.testing.assert_allclose(jax.jit(normalise)(jnp.asarray(wave[1:]))[0], done[1], atol=1e-5)


def test_masked_frames_are_not_heard():
    """Pretraining replaces frames behind the convolutions: the sound of theirs alone no longer matters."""
    variables, config = lively(SMALL_LARGE), SMALL_LARGE
    wave = speech(1, 400)
    masked = jnp.arange(config.frames(400))[None] >= 7

    @jax.jit
    def masked_encode(wave):
        return SpeechEncoder(config).apply(variables, wave, None, (masked, jnp.ones(32)))[0]

    other = wave.at[:, 20 * 7 + 10 :].set(0.3)  # from the first sample that only masked frames hear
    np.testing.assert_array_equal(masked_encode(wave), masked_encode(other))
    assert np.abs(masked_encode(wave) - encode(config, variables, wave)[0]).max() > 0.1


def test_dropout_only_in_training():
    config, wave = dataclasses.replace(SMALL, dropout=0.5), speech(1, 400)

    @jax.jit
    def train(rng):
        return SpeechEncoder(config).apply(lively(SMALL), wave, train=True, rngs={"dropout": rng})[0]

    still = encode(config, lively(SMALL), wave)[0]
    np.testing.assert_array_equal(still, encode(config, lively(SMALL), wave)[0])
    first, second = (train(jax.random.key(i)) for i in range(2))
    assert np.abs(first - second).max() > 0.1 and np.abs(first - still).max() > 0.1


def test_a_layer_that_is_dropped_is_the_identity_and_none_is_in_evaluation():
    config, x = dataclasses.replace(SMALL_LARGE, dropout=0.0), jax.random.normal(jax.random.key(0), (2, 9, 32))
    always, half = (dataclasses.replace(config, layer_drop=chance) for chance in (1.0, 0.5))
    variables = jax.jit(Layer(config).init, static_argnums=(2, 3))(jax.random.key(1), x, None, False)
    plain = Layer(config).apply(variables, x, None)
    np.testing.assert_array_equal(Layer(always).apply(variables, x, None), plain)
    keys = jax.random.split(jax.random.key(2), 60)
    drawn = jax.vmap(lambda key: Layer(half).apply(variables, x, None, True, rngs={"dropout": key}))(keys)
    dropped, kept = (jnp.abs(drawn - like[None]).max((1, 2, 3)) < 1e-6 for like in (x, plain))
    assert (dropped ^ kept).all() and 15 < dropped.sum() < 45


def test_layers_of_a_loop_are_dropped_too():
    config = dataclasses.replace(SMALL_LARGE, dropout=0.0, scan=True, layer_drop=1.0)
    variables, features = jax.tree.map(jnp.asarray, lively(SMALL_LARGE)), jnp.ones((1, 9, 16))
    context = {"params": variables["params"]["context"]}
    rngs = {"dropout": jax.random.key(0)}
    aux = jax.jit(lambda v: ContextNetwork(config).apply(v, features, train=True, rngs=rngs)[1])(context)
    for layer in aux["layers"]:
        np.testing.assert_allclose(layer, aux["projected"] + aux["position"], atol=1e-6)


def test_attention_dropout_leaves_attention_as_it_was_but_for_what_it_drops():
    x, own = jax.random.normal(jax.random.key(0), (2, 9, 32)), jnp.arange(9)[None] < jnp.array([[9], [5]])
    variables = Attention(SMALL).init(jax.random.key(1), x, own)

    def train(rate):
        config = dataclasses.replace(SMALL, attention_dropout=rate)
        return Attention(config).apply(variables, x, own, True, rngs={"dropout": jax.random.key(2)})

    without = Attention(SMALL).apply(variables, x, own, True)
    np.testing.assert_allclose(train(1e-7), without, atol=1e-5)
    assert 0.05 < float(jnp.abs(train(0.5) - without).mean() / jnp.abs(without).mean()) < 2


def test_the_gradient_of_the_convolutions_is_scaled_and_nothing_else():
    tiny = dataclasses.replace(SMALL, width=8, layers=1, hidden=8, conv_widths=(4,) * 3, position_window=4, dropout=0.0)
    wave = speech(1, 200)

    @functools.partial(jax.jit, static_argnums=0)
    def told(factor, variables):
        def loss(variables):
            config = dataclasses.replace(tiny, conv_gradient=factor)
            return (SpeechEncoder(config).apply(variables, wave, train=True)[0][..., :5] ** 3).mean()

        return jax.value_and_grad(loss)(variables)

    (value, plain), (again, scaled) = (told(factor, lively(tiny)) for factor in (1.0, 0.1))
    assert value == again
    for room, factor in (("ear", 0.1), ("context", 1.0)):
        for a, b in zip(*(jax.tree.leaves(tree["params"][room]) for tree in (plain, scaled)), strict=True):
            np.testing.assert_allclose(factor * a, b, rtol=1e-3, atol=1e-6)


def test_bfloat16_is_off_by_one_percent():
    """Root mean square of the error over that of the features; float32 norms and statistics keep it low."""
    for config in (SMALL, SMALL_LARGE):
        wave = speech(1, 490)
        exact = encode(config, lively(config), wave)[0]
        half, aux = encode(dataclasses.replace(config, dtype=jnp.bfloat16), lively(config), wave)
        assert half.dtype == jnp.float32 and aux["features"].dtype == jnp.bfloat16
        assert 1e-4 < np.sqrt(np.mean((half - exact) ** 2) / np.mean(exact**2)) < 0.013
