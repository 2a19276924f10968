"""MFCC, log-mel and deltas against librosa, and their gradients."""

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from jaxtalk.audio import load, mfcc

FRAMES = {"sr": 16000, "n_fft": 400, "hop_length": 160, "pad_mode": "constant"}


@pytest.fixture(scope="module")
def speech(media):
    return load.load(media / "speech" / "english_neutral_male.wav")[16000:48000]


def test_speech_has_librosas_log_mel_and_mfcc(speech):
    power = librosa.feature.melspectrogram(y=speech.astype(np.float64), n_mels=40, **FRAMES)
    np.testing.assert_allclose(mfcc.mel_decibels(jnp.asarray(speech)), librosa.power_to_db(power).T, atol=1e-3)
    theirs = librosa.feature.mfcc(y=speech.astype(np.float64), n_mfcc=20, n_mels=40, **FRAMES)
    np.testing.assert_allclose(mfcc.mfcc(jnp.asarray(speech), 20), theirs.T, atol=1e-3)


def test_noise_in_other_bands_without_a_range():
    wave = 0.1 * np.random.default_rng(1).standard_normal((2, 4000))
    power = librosa.feature.melspectrogram(y=wave, n_mels=23, fmin=100, fmax=6000, **FRAMES)
    theirs = librosa.feature.mfcc(S=librosa.power_to_db(power, top_db=None), n_mfcc=23)
    ours = mfcc.mfcc(jnp.asarray(wave, jnp.float32), 23, 23, 100.0, 6000.0, None)
    np.testing.assert_allclose(ours, theirs.swapaxes(-1, -2), atol=1e-3)


def test_deltas_are_librosas():
    features = np.random.default_rng(2).standard_normal((30, 13)).astype(np.float32)
    theirs = librosa.feature.delta(features, width=9, axis=0, mode="nearest")
    np.testing.assert_allclose(mfcc.deltas(jnp.asarray(features)), theirs, atol=1e-6)
    line = jnp.arange(20.0)[:, None]
    np.testing.assert_allclose(mfcc.deltas(line)[4:-4], 1.0, atol=1e-6)


def test_gradients_are_finite_in_silence_and_right_in_sound():
    def total(wave):
        return jnp.sum(mfcc.mfcc(wave, range_db=None)[..., 1:])

    np.testing.assert_array_equal(jax.grad(total)(jnp.zeros(1600)), 0)
    wave, step = 0.1 * jax.random.normal(jax.random.key(0), (2, 1600))
    slope = jax.grad(total)(wave) @ step
    np.testing.assert_allclose(slope, (total(wave + 1e-3 * step) - total(wave - 1e-3 * step)) / 2e-3, rtol=2e-2)


def test_frames_without_range_depend_on_their_own_sound_alone():
    wave = 0.1 * jax.random.normal(jax.random.key(0), (1600,))
    louder = wave.at[1200:].mul(100)
    np.testing.assert_allclose(
        mfcc.mfcc(wave, range_db=None)[:6], mfcc.mfcc(louder, range_db=None)[:6], rtol=1e-4, atol=1e-4
    )
