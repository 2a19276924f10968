"""LipTCN: blocks change nothing, it hears as far as it says, and it learns what it could not know frame by frame."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtalk.models import lip_tcn

CONFIG = lip_tcn.Config(coefficients=5, phonemes=7, width=8, dilations=(1, 2, 4))
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def params():
    return lip_tcn.LipTCN(CONFIG).init(jax.random.key(0), jnp.zeros((1, 32, 80)))["params"]


def test_blocks_of_any_size_give_the_same(params):
    mel = RNG.standard_normal((301, 80)).astype(np.float32)
    whole, parts = (lip_tcn.hear(CONFIG, params, mel, moments) for moments in (256, 32))
    assert whole[0].shape == (151, 5) and whole[1].shape == (151, 7)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    np.testing.assert_allclose(whole[1].sum(-1), 1, atol=1e-5)


def test_hears_as_far_as_it_says_and_no_farther(params):
    mel = RNG.standard_normal((200, 80)).astype(np.float32)
    before = lip_tcn.hear(CONFIG, params, mel, 128)[0]
    changed = mel.copy()
    changed[100] += 1
    moved = np.flatnonzero(np.abs(lip_tcn.hear(CONFIG, params, changed, 128)[0] - before).max(-1) > 1e-7) * 2
    assert moved.min() >= 100 - CONFIG.reach and moved.max() <= 100 + CONFIG.reach
    assert moved.max() - moved.min() > CONFIG.reach


def test_between_moments_lie_straight_lines_and_the_ends_go_on():
    values = np.arange(4, dtype=np.float32)[:, None] * 10
    np.testing.assert_allclose(lip_tcn.at(values, np.array([-3, 0, 1, 5, 6, 99.0]))[:, 0], [0, 0, 5, 25, 30, 30])
    np.testing.assert_allclose(lip_tcn.at(values[:1], np.array([0.0, 7.0]))[:, 0], 0)


def test_learns_movement_that_answers_a_sound_of_a_while_ago(params):
    """A pulse 12 columns earlier lies outside of a single moment's sight, but within the network's."""
    sound = (RNG.random((8, 128, 1)) < 0.1).astype(np.float32) * np.ones((1, 1, 80), np.float32)
    late = np.roll(sound[:, :, 0], 12, axis=1)[:, ::2]
    network, optimizer = lip_tcn.LipTCN(CONFIG), optax.adam(1e-2)

    @jax.jit
    def step(params, state):
        def loss(params):
            moved, _ = network.apply({"params": params}, jnp.asarray(sound))
            return jnp.square(moved[:, 8:, 0] - late[:, 8:]).mean()

        value, gradient = jax.value_and_grad(loss)(params)
        update, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, update), state, value

    state = optimizer.init(params)
    for _ in range(150):
        params, state, value = step(params, state)
    assert float(value) < 0.3 * late[:, 8:].var()
