"""What the FAP perceptron hears: order, scale and timing."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.audio import energy, load, lpc, mixed_features, pitch


@pytest.fixture(scope="module")
def speech(media):
    return load.load(media / "speech" / "english_neutral_male.wav")[: 3 * 16000]


@pytest.fixture(scope="module")
def features(speech):
    return np.asarray(mixed_features.mixed(jnp.asarray(speech)))


def test_features_in_order_each_the_mean_of_three_frames(speech, features):
    assert features.shape == (301, 18)
    wave = jnp.asarray(speech)
    voice = pitch.pitch(wave)
    expected = {
        0: lpc.cepstrum(lpc.lpc(wave, 16), 2)[:, 1],
        16: jnp.where(voice.voiced, jnp.log2(voice.hertz / 100), 0.0),
        17: energy.decibels(wave),
    }
    for column, track in expected.items():
        mean = np.convolve(np.pad(np.asarray(track), 1, mode="edge"), np.ones(3) / 3, "valid")
        np.testing.assert_allclose(features[:, column], mean, atol=2e-3)


def test_gain_and_pauses_are_forgotten(speech, features):
    own = mixed_features.scale(features)
    normalised = mixed_features.normalise(features, own)
    quiet = np.asarray(mixed_features.mixed(jnp.asarray(0.2 * speech)))
    quiet = mixed_features.normalise(quiet, mixed_features.scale(quiet))
    np.testing.assert_allclose(np.abs(normalised - quiet).mean(), 0, atol=0.02)
    pause = np.concatenate([features, np.repeat(features[:1] * 0 - 80, 100, 0)])
    assert (np.abs(mixed_features.scale(pause).mean - own.mean) < 0.15 * own.spread).all()


def test_windows_hold_three_frames_back_and_two_forward():
    column = np.arange(300.0)[:, None]
    windows = mixed_features.windows(column, 25, 60, first=10)
    assert windows.shape == (60, 6, 1)
    np.testing.assert_array_equal(windows[0, :, 0], [28, 32, 36, 40, 44, 48])  # frame 10 is at 0.4 s
    np.testing.assert_array_equal(mixed_features.windows(column, 25, 1)[0, :, 0], [0, 0, 0, 0, 4, 8])
    np.testing.assert_array_equal(mixed_features.windows(column, 30, 1, first=30)[0, :, 0], np.arange(88, 112, 4))
    assert mixed_features.windows(column, 25, 80)[-1, -1, 0] == 299


def test_silence_is_finite():
    features = np.asarray(mixed_features.mixed(jnp.zeros(3 * 16000)))
    assert np.isfinite(mixed_features.normalise(features, mixed_features.scale(features))).all()
