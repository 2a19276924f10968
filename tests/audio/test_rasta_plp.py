"""RASTA-PLP, step by step: what defines each of them; then the whole of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from jaxtalk.audio import load, rasta_plp


@pytest.fixture(scope="module")
def speech(media):
    return load.load(media / "speech" / "english_neutral_female.wav")[16000 : 5 * 16000]


def test_bark_scale():
    hertz = np.array([50.0, 500.0, 1000.0, 4000.0, 8000.0])
    w = 2 * np.pi * hertz / (1200 * np.pi)
    np.testing.assert_allclose(rasta_plp.bark(hertz), 6 * np.log(w + np.sqrt(w**2 + 1)))  # as the equation is printed
    width = 1 / np.diff(rasta_plp.bark(np.array([[100, 101], [4000, 4001]])), axis=-1)[:, 0]  # Hz per Bark
    np.testing.assert_allclose(width, [100, 670], rtol=0.05)


def test_masking_curve():
    distance = np.array([-1.5, -1.3, -0.9, -0.5, 0.0, 0.5, 1.5, 2.5, 2.6])
    np.testing.assert_allclose(10 * np.log10(rasta_plp.masking(distance)[1:-1]), [-20, -10, 0, 0, 0, -10, -20])
    assert rasta_plp.masking(distance)[[0, -1]].sum() == 0


def test_critical_bands_cover_the_spectrum_and_widen():
    bands = rasta_plp.critical_bands()
    assert bands.shape == (21, 201)
    assert (bands.sum(0) > 0.5).all()
    width = (bands >= 0.99).sum(1)
    assert (np.diff(width[1:-1]) >= -1).all() and width[15] > 4 * width[3]
    peaks = np.array([40 * np.flatnonzero(row >= 0.99).mean() for row in bands[2:-2]])
    np.testing.assert_allclose(np.diff(rasta_plp.bark(peaks)), 0.98, atol=0.35)  # bins are 40 Hz apart


def test_the_ear_is_most_sensitive_between_3_and_4_khz():
    hertz = np.linspace(20, 8000, 2000)
    curve = 10 * np.log10(rasta_plp.equal_loudness(hertz))
    assert 3000 < hertz[curve.argmax()] < 4000
    fall = curve.max() - np.interp([100, 400, 1000, 7500], hertz, curve)
    assert fall[0] > 25 and 5 < fall[1] < 15 and fall[2] < 8 and fall[3] > 3


def test_cube_root():
    np.testing.assert_allclose(rasta_plp.cube_root(jnp.array([1.0, 8.0, 1000.0])), [1, 2, 10], rtol=1e-6)


def test_band_pass_is_the_recursive_filter():
    x = np.random.default_rng(0).standard_normal((300, 3))
    x[:10] = x[0]  # at rest when the filter starts
    exact = scipy.signal.lfilter([0.2, 0.1, 0, -0.1, -0.2], [1, -0.98], x - x[0], axis=0)
    np.testing.assert_allclose(jax.jit(rasta_plp.band_pass)(jnp.asarray(x, jnp.float32)), exact, atol=1e-5)


def test_band_pass_keeps_the_rhythm_of_syllables():
    impulse = jnp.zeros((2000, 1)).at[10].set(1.0)
    response = np.abs(np.fft.rfft(np.asarray(jax.jit(rasta_plp.band_pass)(impulse))[:, 0]))
    hertz = np.linspace(0, 50, len(response))
    peak = response.max()
    assert response[0] < 1e-3 * peak  # what never changes
    assert 1 < hertz[response.argmax()] < 5
    assert response[np.abs(hertz - 4).argmin()] > 0.95 * peak
    passed = hertz[response > peak / np.sqrt(2)]
    assert passed[0] < 1 and 10 < passed[-1] < 15
    assert response[hertz > 27].max() < 0.15 * peak


def test_inverse_dft_is_numpys():
    spectrum = np.random.default_rng(1).uniform(0.1, 1, (4, 21))
    np.testing.assert_allclose(
        rasta_plp.autocorrelation(jnp.asarray(spectrum, jnp.float32), 12), np.fft.irfft(spectrum)[:, :13], atol=1e-6
    )


def test_a_fixed_gain_is_forgotten(speech):
    same, quiet = rasta_plp.rasta_plp(jnp.asarray(np.stack([speech, 0.1 * speech])))
    # All but the faintest frames, where the floor of silence is heard.
    np.testing.assert_allclose(np.median(np.abs(same - quiet)), 0, atol=1e-3)
    plain = rasta_plp.rasta_plp(jnp.asarray(np.stack([speech, 0.1 * speech])), rasta=False)
    assert np.median(np.abs(plain[0] - plain[1])[:, 0]) > 1  # loudness is its first coefficient


def test_the_colour_of_a_channel_is_mostly_forgotten(speech):
    """A dull microphone: RASTA-PLP changes by a small part of its spread, and its tilt hardly; PLP by much of it."""
    coloured = scipy.signal.lfilter([1, -0.7], [1, 0.3], speech).astype(np.float32)
    both = jnp.asarray(np.stack([speech, coloured]))

    def change(rasta):
        clear, dull = np.asarray(rasta_plp.rasta_plp(both, rasta=rasta))[..., 1:]
        return np.sqrt(np.mean((clear - dull) ** 2, axis=0) / clear.var(axis=0))

    with_rasta, without = change(True), change(False)
    assert with_rasta.max() < 0.25
    assert with_rasta[0] < 0.1 * without[0]
    assert with_rasta.mean() < 0.6 * without.mean()


def test_plp_sees_two_vowels_as_different_whatever_the_pitch():
    def vowel(hertz, formants):
        poles = [np.exp((-np.pi * 90 + 2j * np.pi * f) / 16000) for f in formants]
        pulses = np.zeros(4000)
        pulses[:: round(16000 / hertz)] = 1
        sound = scipy.signal.lfilter([1], np.poly([*poles, *np.conj(poles)]).real, pulses)
        return 0.3 * sound / sound.std()

    ah, ee = (700, 1200, 2600), (280, 2300, 3000)
    waves = np.stack([vowel(110, ah), vowel(140, ah), vowel(110, ee), vowel(140, ee)]).astype(np.float32)
    low_ah, high_ah, low_ee, high_ee = rasta_plp.rasta_plp(jnp.asarray(waves), order=5, count=6, rasta=False)[:, 12, 1:]
    within = max(jnp.linalg.norm(low_ah - high_ah), jnp.linalg.norm(low_ee - high_ee))
    across = min(jnp.linalg.norm(low_ah - low_ee), jnp.linalg.norm(high_ah - high_ee))
    assert across > 2 * within


def test_gradients_are_finite_in_silence_and_right_in_sound():
    wave, step = 0.1 * jax.random.normal(jax.random.key(0), (2, 1600))
    waves = jnp.stack([jnp.zeros(1600), wave, wave + 1e-3 * step, wave - 1e-3 * step])
    total = jax.value_and_grad(lambda wave: rasta_plp.rasta_plp(wave, 8, 9).sum())
    values, gradients = jax.jit(jax.vmap(total))(waves)
    assert np.isfinite(gradients[0]).all()
    np.testing.assert_allclose(gradients[1] @ step, (values[2] - values[3]) / 2e-3, rtol=2e-2)
