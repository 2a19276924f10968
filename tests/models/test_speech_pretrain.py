"""The two pretraining networks: what they may see, what they choose, and that they learn."""

import functools

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtalk.losses import contrastive
from jaxtalk.models import hubert_pretrain, time_mask, wav2vec2_pretrain
from jaxtalk.models.speech_encoder import Config as EncoderConfig

ENCODER = EncoderConfig(  # hop 20, reach 30
    width=16, layers=1, heads=2, hidden=32, conv_widths=(16,) * 3, conv_windows=(10, 3, 2), conv_strides=(5, 2, 2),
    position_window=8, position_groups=2, norm_first=True, dropout=0.0,
)  # fmt: skip
FRAMES = 40


def tones(rng, batch):
    """Tones whose pitch jumps at random, and which of four pitches each frame has."""
    pitch = jnp.repeat(jax.random.randint(rng, (batch, FRAMES // 4 + 1), 0, 4), 4, axis=1)
    frequency = jnp.repeat(jnp.array([0.05, 0.15, 0.3, 0.45])[pitch], 20, axis=1)[:, : 20 * FRAMES + 10]
    return jnp.sin(2 * jnp.pi * jnp.cumsum(frequency, axis=1)), pitch[:, :FRAMES]


def learn(loss, network, *given, steps=60):
    """The loss at each step, and the first gradient."""
    optimizer, key = optax.adam(5e-3), jax.random.key(0)
    abstract = jax.eval_shape(functools.partial(network.init, train=False), {"params": key, "gumbel": key}, *given)

    @jax.jit
    def step(params, state, rng):
        value, gradient = jax.value_and_grad(loss)(params, rng)
        change, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, change), state, value, gradient

    params = jax.tree.map(jnp.asarray, golden_fixture.variables(abstract)["params"])
    state, values, gradients = optimizer.init(params), [], []
    for i in range(steps):
        params, state, value, gradient = step(params, state, jax.random.key(i))
        values.append(float(value))
        gradients.append(gradient)
    return values, gradients[0]


@pytest.mark.slow
def test_wav2vec2_learns_which_code_is_a_frames_own():
    network = wav2vec2_pretrain.Wav2Vec2(
        wav2vec2_pretrain.Config(encoder=ENCODER, groups=2, entries=8, code_width=16, width=16)
    )
    wave, _ = tones(jax.random.key(0), 8)
    masked = time_mask.spans(jax.random.key(1), jnp.ones((8, FRAMES), bool), length=5)

    def loss(params, rng):
        wave, _ = tones(rng, 8)
        answer = network.apply({"params": params}, wave, masked, jnp.ones(()), train=True, rngs={"gumbel": rng})
        candidates = time_mask.distractors(rng, masked, 10)
        error, _ = contrastive.contrastive(answer.context, answer.codes, answer.chosen, candidates)
        used = contrastive.diversity(answer.probabilities, masked)
        return jnp.sum(error * masked) / masked.sum() + used

    values, gradient = learn(loss, network, wave, masked, jnp.ones(()))
    assert np.mean(values[-5:]) < 0.8 * np.mean(values[:5])
    dead = [path for path, g in jax.tree_util.tree_leaves_with_path(gradient) if np.abs(g).max() == 0]
    assert not dead  # the choice of an entry is discrete, and yet the quantiser learns


def test_hubert_learns_clusters_of_hidden_frames_from_their_neighbours():
    network = hubert_pretrain.Hubert(hubert_pretrain.Config(encoder=ENCODER, clusters=4, width=16))
    wave, _ = tones(jax.random.key(0), 8)
    masked = jnp.tile(jnp.arange(FRAMES)[None] % 4 == 1, (8, 1))  # the neighbours have the same pitch

    def loss(params, rng):
        wave, pitch = tones(rng, 8)
        logits = network.apply({"params": params}, wave, masked, train=True)
        error = optax.softmax_cross_entropy_with_integer_labels(logits, pitch)
        return jnp.sum(error * masked) / masked.sum()

    values, _ = learn(loss, network, wave, masked)
    assert np.mean(values[-5:]) < 0.5 * np.mean(values[:5])


def test_the_quantiser_chooses_the_likeliest_or_draws():
    config = wav2vec2_pretrain.Config(groups=2, entries=3, code_width=8)
    quantiser = wav2vec2_pretrain.Quantiser(config)
    features, key = jax.random.normal(jax.random.key(0), (1, 2000, 4)), jax.random.key(1)
    features = jnp.broadcast_to(features[:, :1], features.shape)  # the same question 2000 times
    variables = quantiser.init(key, features, jnp.ones(()), train=False)
    codes, chosen, probabilities = quantiser.apply(variables, features, jnp.ones(()), train=False)
    np.testing.assert_array_equal(chosen, probabilities.argmax(-1))
    entries = variables["params"]["entries"]
    np.testing.assert_allclose(codes[0, 0], jnp.concatenate([entries[g, chosen[0, 0, g]] for g in range(2)]), atol=1e-6)
    _, drawn, _ = quantiser.apply(variables, features, jnp.ones(()), train=True, rngs={"gumbel": key})
    share = jnp.stack([(drawn[0] == v).mean(0) for v in range(3)], axis=-1)
    np.testing.assert_allclose(share, probabilities[0, 0], atol=0.04)
