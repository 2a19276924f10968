"""Linear prediction against scipy, librosa, plain numpy and its defining properties."""

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest
import scipy.linalg
import scipy.signal

from jaxtalk.audio import load, lpc

# Formants of a vowel: (hertz, bandwidth).
FORMANTS = ((500, 80), (1500, 100), (2500, 150))


def all_pole():
    """A(z) of a vocal tract with these formants."""
    poles = [np.exp((-np.pi * width + 2j * np.pi * hertz) / 16000) for hertz, width in FORMANTS]
    return np.poly([*poles, *np.conj(poles)]).real


def test_autocorrelation_is_numpys():
    x = np.random.default_rng(0).standard_normal((3, 50))
    full = np.stack([np.correlate(row, row, "full")[49:60] for row in x])
    np.testing.assert_allclose(lpc.autocorrelation(jnp.asarray(x, jnp.float32), 10), full, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("order", [1, 2, 16])
def test_levinson_solves_the_toeplitz_system(order):
    x = np.random.default_rng(1).standard_normal((4, 400))
    r = np.asarray(lpc.autocorrelation(jnp.asarray(x, jnp.float32), order), np.float64)
    ours = lpc.levinson(jnp.asarray(r, jnp.float32))
    for i in range(4):
        exact = scipy.linalg.solve_toeplitz(r[i, :-1], -r[i, 1:])
        np.testing.assert_allclose(ours.coefficients[i], [1, *exact], atol=1e-5)
        np.testing.assert_allclose(ours.error[i], r[i] @ [1, *exact], rtol=1e-5)
    assert (np.abs(ours.reflections) < 1).all()


def test_speech_is_predicted_as_scipy_does_and_stably(media):
    wave = load.load(media / "speech" / "english_neutral_male.wav")[16000:32000]
    ours = lpc.lpc(jnp.asarray(wave), 16)
    assert ours.coefficients.shape == (101, 17)
    emphasised = np.pad(scipy.signal.lfilter([1, -0.97], 1, wave.astype(np.float64)), 200)
    window = scipy.signal.get_window("hamming", 400)
    for i in (20, 47, 80):
        frame = emphasised[160 * i : 160 * i + 400] * window
        r = np.correlate(frame, frame, "full")[399:416]
        r[0] = r[0] * (1 + 1e-5) + 1e-9
        exact = scipy.linalg.solve_toeplitz(r[:-1], -r[1:])
        np.testing.assert_allclose(ours.coefficients[i, 1:], exact, atol=5e-3)
    for a in np.asarray(ours.coefficients, np.float64)[::7]:
        assert np.abs(np.roots(a)).max() < 1


def test_long_stationary_sound_has_librosas_predictor():
    """Burg's method and the autocorrelation method differ in short frames only.

    Responses are compared, in decibels, as the coefficients are a matter of rounding: the Toeplitz matrix of this sound
    has a condition of 1.4e6, and the float32 of its entries alone moves the coefficients by 0.13.
    """
    a = all_pole()
    x = scipy.signal.lfilter([1], a, np.random.default_rng(2).standard_normal(40000))[1000:]
    window = np.hanning(len(x))
    r = np.array([x[: len(x) - k] * window[: len(x) - k] @ (x * window)[k:] for k in range(7)])
    ours = lpc.levinson(jnp.asarray(r / r[0], jnp.float32)).coefficients
    response, librosas, true = (
        20 * np.log10(np.abs(scipy.signal.freqz([1], c, 512)[1])) for c in (ours, librosa.lpc(x, order=6), a)
    )
    np.testing.assert_allclose(response, librosas, atol=1)
    np.testing.assert_allclose(response, true, atol=1)


def test_envelope_peaks_at_the_formants():
    pulses = np.zeros(4000)
    pulses[::133] = 1  # a voice of 120 Hz
    vowel = scipy.signal.lfilter([1], all_pole(), pulses)
    predictor = lpc.lpc(jnp.asarray(vowel / np.abs(vowel).max(), jnp.float32), 12)
    envelope = np.asarray(lpc.envelope(predictor, 801))[12]  # 10 Hz apart
    peaks = 10 * scipy.signal.find_peaks(np.log(envelope))[0]
    for hertz, _ in FORMANTS:
        assert np.abs(peaks - hertz).min() <= 40


def test_envelope_and_cepstrum_are_those_of_the_filter():
    predictor = lpc.Predictor(jnp.asarray([all_pole()], jnp.float32), jnp.zeros((1, 6)), jnp.asarray([2.5]))
    _, response = scipy.signal.freqz([1], all_pole(), 2048, whole=True)
    power = 2.5 * np.abs(response) ** 2
    np.testing.assert_allclose(lpc.envelope(predictor, 1025)[0], power[:1025], rtol=2e-2)
    exact = np.fft.ifft(np.log(power)).real
    np.testing.assert_allclose(lpc.cepstrum(predictor, 20)[0], exact[:20], atol=1e-4)
    np.testing.assert_allclose(lpc.cepstrum(predictor, 4)[0], exact[:4], atol=1e-4)


def test_silence_is_predicted_as_silence():
    predictor = lpc.lpc(jnp.zeros(1600), 10)
    np.testing.assert_array_equal(predictor.coefficients, np.eye(11)[[0] * 11])
    np.testing.assert_array_equal(predictor.reflections, 0)
    np.testing.assert_array_equal(lpc.levinson(jnp.zeros(5)).coefficients, [1, 0, 0, 0, 0])


def test_gradients_are_finite_in_silence_and_right_in_sound():
    wave, step = 0.1 * jax.random.normal(jax.random.key(0), (2, 800))
    waves = jnp.stack([jnp.zeros(800), wave, wave + 1e-3 * step, wave - 1e-3 * step])
    total = jax.value_and_grad(lambda wave: lpc.cepstrum(lpc.lpc(wave, 8), 9).sum())
    values, gradients = jax.jit(jax.vmap(total))(waves)
    assert np.isfinite(gradients[0]).all()
    np.testing.assert_allclose(gradients[1] @ step, (values[2] - values[3]) / 2e-3, rtol=2e-2)
