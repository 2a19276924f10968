"""Onsets of speech against librosa, and of sounds whose onsets are known."""

from pathlib import Path

import jax.numpy as jnp
import librosa
import numpy as np
import pytest
import soundfile

import jaxtalk
from jaxtalk.audio import onsets


@pytest.fixture(scope="module")
def speech():
    wave, rate = soundfile.read(Path(jaxtalk.__file__).parent / "samples" / "speech.flac", dtype="float32")
    return wave[: 6 * rate] if rate == 16000 else librosa.resample(wave, orig_sr=rate, target_sr=16000)[:96000]


def finite(times):
    times = np.asarray(times)
    return times[np.isfinite(times)]


def test_strength_is_librosas(speech):
    theirs = librosa.onset.onset_strength(
        y=speech, sr=16000, hop_length=160, n_fft=400, n_mels=40, fmax=8000, center=False
    )
    ours = onsets.strength(jnp.asarray(speech))
    np.testing.assert_allclose(ours, theirs, atol=2e-3 * theirs.max())


def test_clicks_are_found_where_they_are():
    wave = np.zeros(48000, np.float32)
    at = np.array([0.5, 0.9, 1.31, 2.2])
    for t in at:
        wave[int(t * 16000) :][:2000] += 0.5 * np.exp(-np.arange(2000) / 300) * np.sin(np.arange(2000))
    np.testing.assert_allclose(finite(onsets.times(jnp.asarray(wave))), at, atol=0.021)


def test_most_of_librosas_onsets_of_speech_are_found(speech):
    theirs = librosa.onset.onset_detect(y=speech, sr=16000, hop_length=160, units="time")
    ours = finite(onsets.times(jnp.asarray(speech)))
    assert 8 < len(ours) < 60
    assert np.mean(np.abs(theirs[:, None] - ours[None]).min(1) < 0.05) > 0.8


def test_silence_has_none_and_loudness_does_not_matter(speech):
    assert len(finite(onsets.times(jnp.zeros(16000)))) == 0
    pair = onsets.times(jnp.stack([jnp.asarray(speech), 0.1 * jnp.asarray(speech)]))
    np.testing.assert_allclose(finite(pair[0]), finite(pair[1]))
