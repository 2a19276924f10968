"""The STFT against librosa, numpy and plain slicing."""

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from jaxtalk.audio import stft


def noise(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32) / 4


@pytest.mark.parametrize("size, hop", [(400, 160), (800, 200), (1024, 160), (400, 400), (160, 400), (7, 3)])
def test_frames_are_slices(size, hop):
    wave = noise(2, 2011)
    cut, wave = np.asarray(stft.frames(wave, size, hop)), np.asarray(wave)
    assert cut.shape == (2, 1 + (2011 - size) // hop, size)
    for i in range(cut.shape[1]):
        np.testing.assert_array_equal(cut[:, i], wave[:, i * hop : i * hop + size])


@pytest.mark.parametrize("samples", [1, 159, 160, 4000])
def test_power_is_that_of_librosa(samples):
    wave = noise(samples)
    ours = stft.power(wave)
    assert ours.shape == (1 + samples // 160, 201)
    padded = np.pad(np.asarray(wave, np.float64), 200)  # by hand: librosa warns of sound shorter than its window
    theirs = np.abs(librosa.stft(padded, n_fft=400, hop_length=160, center=False)) ** 2
    np.testing.assert_allclose(ours, theirs.T, rtol=1e-4, atol=1e-5)


def test_quiet_bands_survive_beside_loud_ones():
    n = np.arange(4000)
    wave = np.sin(2 * np.pi * 500 / 16000 * n) + 1e-5 * np.sin(2 * np.pi * 6000 / 16000 * n)
    exact = np.abs(librosa.stft(wave, n_fft=400, hop_length=160, pad_mode="constant")) ** 2
    at_6000_hz = np.asarray(stft.power(jnp.asarray(wave, jnp.float32)))[5:-5, 150]
    np.testing.assert_allclose(at_6000_hz, exact.T[5:-5, 150], rtol=0.02)


def test_hamming_window():
    pieces = noise(3, 400)
    window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(400) / 400)
    exact = np.fft.rfft(np.asarray(pieces, np.float64) * window)
    real, imaginary = stft.spectrum(pieces, "hamming")
    np.testing.assert_allclose(real, exact.real, atol=1e-5)
    np.testing.assert_allclose(imaginary, exact.imag, atol=1e-5)


def test_blocks_have_no_seams(monkeypatch):
    wave = noise(2, 5000)
    whole = stft.over_frames(lambda x: {"sum": x.sum(-1, keepdims=True), "all": x}, wave, 400, 160)
    monkeypatch.setattr(stft, "_BLOCK", 7)
    blocks = stft.over_frames(lambda x: {"sum": x.sum(-1, keepdims=True), "all": x}, wave, 400, 160)
    np.testing.assert_array_equal(whole["all"], stft.frames(wave, 400, 160))
    np.testing.assert_array_equal(whole["all"], blocks["all"])
    np.testing.assert_allclose(whole["sum"], blocks["sum"], atol=1e-5)


def test_parseval_and_gradient():
    wave = noise(1600)
    power = stft.power(wave)
    weight = np.r_[1.0, np.full(199, 2.0), 1.0].astype(np.float32)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    windowed = np.asarray(stft.frames(stft.centre(wave, 400), 400, 160)) * hann
    np.testing.assert_allclose(power @ weight / 400, (windowed**2).sum(-1), rtol=1e-4)
    gradient = jax.grad(lambda w: (stft.power(w) @ weight).sum() / 400)(wave)
    share = np.zeros(2000)  # of each sample, by how many windows it lies under
    for i in range(11):
        share[160 * i : 160 * i + 400] += hann**2
    np.testing.assert_allclose(gradient, 2 * np.asarray(wave) * share[200:1800], atol=2e-4)
