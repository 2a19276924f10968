"""Pitch against librosa.pyin on real speech and on voices whose pitch is known."""

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest
import scipy.signal

from jaxtalk.audio import load, pitch


def voice(hertz):
    """Pulses at this rate through a vocal tract: one value per sample, 0 is a hiss."""
    rng = np.random.default_rng(0)
    cycles = np.cumsum(hertz / 16000)
    source = np.where(hertz > 0, np.diff(np.floor(cycles), prepend=0.0), 0.1 * rng.standard_normal(len(hertz)))
    poles = [np.exp((-np.pi * 100 + 2j * np.pi * f) / 16000) for f in (600, 1400, 2600)]
    sound = scipy.signal.lfilter([1], np.poly([*poles, *np.conj(poles)]).real, source)
    return (0.5 * sound / np.abs(sound).max() + 1e-3 * rng.standard_normal(len(hertz))).astype(np.float32)


@pytest.fixture(scope="module")
def glide():
    """Two seconds: down from 220 to 90 Hz, a hiss, up from 150 to 400 Hz."""
    parts = np.geomspace(220, 90, 12800), np.zeros(4800), np.geomspace(150, 400, 14400)
    return np.concatenate(parts)


def test_a_known_pitch_is_found(glide):
    found = pitch.pitch(jnp.asarray(voice(glide)))
    truth = glide[np.minimum(160 * np.arange(201), 31999)]
    agree = np.asarray(found.voiced) == (truth > 0)
    assert agree.mean() >= 0.97
    both = np.asarray(found.voiced) & (truth > 0)
    error = np.abs(1200 * np.log2(np.asarray(found.hertz)[both] / truth[both]))
    assert np.median(error) < 8  # cents
    assert (error < 100).all()  # neither an octave nor a semitone off


@pytest.mark.parametrize("hertz", [62.0, 110.0, 243.7, 490.0])
def test_pure_tones(hertz):
    tone = 0.3 * np.sin(2 * np.pi * hertz / 16000 * np.arange(8000)).astype(np.float32)
    found = pitch.pitch(jnp.asarray(tone))
    assert found.voiced[5:-5].all()
    np.testing.assert_allclose(found.hertz[5:-5], hertz, rtol=2e-3)


@pytest.mark.parametrize("name, agreement", [("english_neutral_male", 0.91), ("english_noisy", 0.96), ("german", 0.92)])
def test_real_speech_has_librosas_pitch(media, name, agreement):
    wave = load.load(media / "speech" / f"{name}.wav")[: 5 * 16000]
    found = pitch.pitch(jnp.asarray(wave))
    hertz, voiced, _ = librosa.pyin(
        wave.astype(np.float64), sr=16000, fmin=60, fmax=500, frame_length=720, hop_length=160, fill_na=None
    )
    both = voiced & np.asarray(found.voiced)
    assert (voiced == np.asarray(found.voiced)).mean() >= agreement
    cents = np.abs(1200 * np.log2(np.asarray(found.hertz)[both] / hertz[both]))
    assert (cents > 315).mean() == 0  # gross errors: more than 20 per cent
    assert np.median(cents) < 5  # librosa's pitches are 10 cents apart


def test_noise_and_silence_have_no_voice():
    noise = 0.1 * jax.random.normal(jax.random.key(0), (8000,))
    found = pitch.pitch(jnp.stack([noise, jnp.zeros(8000)]))
    assert found.voiced.shape == (2, 51)
    assert found.voiced[0].mean() < 0.1
    assert not found.voiced[1].any()
    assert (found.probability[1] < 0.02).all()


def test_difference_is_that_of_a_plain_loop():
    frame = np.random.default_rng(1).standard_normal(720)
    plain = np.array([0.0] + [np.mean((frame[lag:] - frame[: 720 - lag]) ** 2) for lag in range(1, 269)])
    exact = plain[1:] / (np.cumsum(plain[1:]) / np.arange(1, 269))
    np.testing.assert_allclose(pitch.normalised_difference(jnp.asarray(frame, jnp.float32))[1:], exact, rtol=1e-3)


def test_viterbi_finds_the_best_of_all_paths(monkeypatch):
    """Against all paths of a tiny model."""
    monkeypatch.setattr(pitch, "_BINS", 4)
    monkeypatch.setattr(pitch, "_REACH", 1)
    observed = np.random.default_rng(2).standard_normal((4, 2, 4))
    weights = np.array([[max(0, 2 - abs(i - j)) for j in range(4)] for i in range(4)], float)
    weights /= weights.sum(1, keepdims=True)
    moves = np.log(np.kron([[0.99, 0.01], [0.01, 0.99]], weights) + 1e-30)
    flat = observed.reshape(4, 8)
    paths = np.stack(np.meshgrid(*[np.arange(8)] * 4, indexing="ij"), -1).reshape(-1, 4)
    score = flat[np.arange(4), paths].sum(1) + moves[paths[:, :-1], paths[:, 1:]].sum(1)
    np.testing.assert_array_equal(pitch._viterbi(jnp.asarray(observed, jnp.float32)), paths[score.argmax()])


def test_gradients_are_finite():
    def total(wave):
        found = pitch.pitch(wave)
        return found.hertz.sum() + found.probability.sum()

    gradient = jax.jit(jax.grad(total))
    tone = 0.3 * jnp.sin(2 * np.pi * 200 / 16000 * jnp.arange(2000.0))
    assert np.isfinite(gradient(jnp.zeros(2000))).all()
    assert np.isfinite(gradient(tone)).all() and np.abs(gradient(tone)).max() > 0


def test_coarse_pitch_is_even_in_mel_and_stays_in_its_range():
    steps = np.arange(1, 256)
    low, high = 1127 * np.log1p(np.array([50, 1100]) / 700)
    hertz = 700 * np.expm1((low + (steps - 1) * (high - low) / 254) / 1127)
    np.testing.assert_array_equal(pitch.coarse(jnp.asarray(hertz, jnp.float32)), steps)
    edges = pitch.coarse(jnp.array([[0.0, 20.0, 50.0], [1100.0, 1200.0, 8000.0]]))
    assert edges.tolist() == [[1, 1, 1], [255, 255, 255]]
