"""Energy against librosa and at its limits."""

import jax
import jax.numpy as jnp
import librosa
import numpy as np

from jaxtalk.audio import energy


def test_power_is_the_square_of_librosas_rms():
    wave = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    rms = librosa.feature.rms(y=wave, frame_length=400, hop_length=160, pad_mode="constant")[0]
    np.testing.assert_allclose(energy.power(jnp.asarray(wave)), rms**2, rtol=1e-5)


def test_decibels_of_a_full_sine_and_of_silence():
    sine = jnp.sin(2 * np.pi * 200 / 16000 * jnp.arange(8000.0))
    np.testing.assert_allclose(energy.decibels(sine)[2:-2], -3.01, atol=0.01)
    np.testing.assert_allclose(energy.decibels(0.1 * sine)[2:-2], -23.01, atol=0.01)
    np.testing.assert_allclose(energy.decibels(jnp.zeros(8000)), -100, atol=1e-4)
    gradient = jax.grad(lambda wave: energy.decibels(wave).sum())
    np.testing.assert_array_equal(gradient(jnp.zeros(800)), 0)
    assert np.isfinite(gradient(sine[:800])).all() and np.abs(gradient(sine[:800])).max() > 0
