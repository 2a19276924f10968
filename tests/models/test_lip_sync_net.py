"""LipSyncNet: shapes, what it cannot see or hear, and that it learns which sound belongs to which lips."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtalk.face.lip_shape import lip_shape
from jaxtalk.losses import lip_sync
from jaxtalk.models import lip_sync_net

CONFIG = lip_sync_net.Config(
    sound_width=16, sound_dilations=(2,), lips_width=16, lips_dilations=(1,), embedding=8, dropout=0.0
)
REACH = 6


def talk(rng: np.random.Generator, clips: int, frames: int):
    """Faces whose lips part as loudly as a few bands sound, each as wide as it likes: landmarks and log-mel."""
    loud = rng.normal(size=(clips, frames)).astype(np.float32)
    face = np.broadcast_to(rng.normal(size=(clips, 1, 68, 2)), (clips, frames, 68, 2)).astype(np.float32).copy()
    face[:, :, 36:48] += np.where(np.arange(12)[:, None] < 6, [-3.0, 0.0], [3.0, 0.0])
    face[:, :, 56:60, 1] += (0.5 * rng.uniform(0.5, 2.0, (clips, 1, 1)) * loud[:, :, None]).astype(np.float32)
    column = np.rint(np.arange(int(frames * 3.2)) / 3.2).astype(int).clip(0, frames - 1)
    mel = loud[:, column, None] * np.linspace(-1, 1, 80, dtype=np.float32)
    return face, (mel + 0.1 * rng.normal(size=mel.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def params():
    network = lip_sync_net.LipSyncNet(CONFIG)
    return network.init(jax.random.key(0), jnp.zeros((1, 8, 20, 2)), jnp.zeros((1, 26, 80)))["params"]


def test_one_unit_vector_for_each_frame_and_tower(params):
    rng = np.random.default_rng(0)
    lips, mel = rng.normal(size=(150, 20, 2)), rng.normal(size=(300, 80))
    face, sound = lip_sync_net.embed(CONFIG, params, lips.astype(np.float32), mel.astype(np.float32))
    assert face.shape == sound.shape == (150, 8)
    np.testing.assert_allclose(np.linalg.norm(np.stack([face, sound]), axis=-1), 1, atol=1e-4)


@pytest.mark.parametrize("frames, columns", [(1, 1), (3, 400), (200, 4)])
def test_still_black_and_single_frames_are_finite(params, frames, columns):
    lips = np.asarray(lip_shape(jnp.zeros((frames, 68, 2))))
    face, sound = lip_sync_net.embed(CONFIG, params, lips, np.zeros((columns, 80), np.float32))
    assert np.isfinite(face).all() and np.isfinite(sound).all() and len(face) == len(sound) == frames


def test_both_towers_answer_for_the_same_moment(params):
    """A change at one frame, and at the column of the same time, moves embeddings around that frame alone."""
    rng = np.random.default_rng(1)
    lips, mel = rng.normal(size=(120, 20, 2)).astype(np.float32), rng.normal(size=(384, 80)).astype(np.float32)
    before = lip_sync_net.embed(CONFIG, params, lips, mel)
    other_lips, other_mel = lips.copy(), mel.copy()
    other_lips[50] *= -1  # keeps the clip's spread
    other_mel[160] += 3.0
    for mine, given in zip(lip_sync_net.embed(CONFIG, params, other_lips, other_mel), before, strict=True):
        moved = np.flatnonzero(np.abs(mine - given).max(-1) > 1e-6)
        assert 50 in moved and moved.min() >= 42 and moved.max() <= 58 and abs(moved.mean() - 50) <= 1


@pytest.mark.slow
def test_learns_to_tell_synced_from_shifted_speech_of_others(params):
    """After a few steps the right shift of unseen clips is found far more often than by chance (one in 11)."""
    network, optimizer = lip_sync_net.LipSyncNet(CONFIG), optax.adam(1e-2)

    def similarity(params, face, mel):
        return lip_sync.shifted_similarity(*network.apply({"params": params}, lip_shape(face), mel), REACH)

    @jax.jit
    def step(params, state, face, mel):
        def loss(params):
            shifted = lip_sync.window_means(similarity(params, face, mel), 3)
            none = jnp.zeros((*shifted.shape[:2], 0))
            return lip_sync.surprise(shifted, jnp.float32(10.0), 1, none).mean()

        update, state = optimizer.update(jax.grad(loss)(params), state)
        return optax.apply_updates(params, update), state

    rng = np.random.default_rng(2)
    seen, unseen = talk(rng, 12, 48), talk(rng, 12, 48)
    state = optimizer.init(params)
    for _ in range(60):
        params, state = step(params, state, *map(jnp.asarray, seen))
    found = similarity(params, *map(jnp.asarray, unseen)).argmax(-1) == REACH
    assert float(found.mean()) > 0.4


def test_settings_fix_the_parameters():
    wider = dataclasses.replace(CONFIG, embedding=9)
    shapes = jax.eval_shape(
        lip_sync_net.LipSyncNet(wider).init, jax.random.key(0), jnp.zeros((1, 8, 20, 2)), jnp.zeros((1, 26, 80))
    )
    assert shapes["params"]["lips_out"]["kernel"].shape == (16, 9)
