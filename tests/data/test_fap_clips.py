"""Clips that the FAP perceptron learns from: sound and parameters belong together."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.audio import load, mixed_features
from jaxtalk.data import clip, fap_clips, phonemes
from jaxtalk.face import fap_mouth, mouth


@pytest.fixture(scope="module")
def record():
    whole = clip.example(0, 0, 3)
    return whole | {"speech": whole["speech"][:80000], "expression": whole["expression"][:125]}  # 5 seconds


@pytest.fixture(scope="module")
def made(record):
    return fap_clips.synthetic(record)


def test_parameters_open_and_close_the_lips_as_the_coefficients_do(record, made):
    expression = np.asarray(record["expression"])
    assert made.fps == 25 and made.faps.shape == (len(expression), 68)
    opening, gap = fap_mouth.lip_opening(made.faps), np.asarray(mouth.opening(jnp.asarray(expression)))
    assert np.corrcoef(opening, gap)[0, 1] > 0.99
    spoken = np.searchsorted(record["phoneme_start"], np.arange(len(expression)) / 25, side="right") - 1
    closed = np.isin(np.asarray(record["phoneme"])[spoken], [phonemes.LETTERS.index(letter) for letter in "pbm"])
    assert closed.any() and np.median(opening[closed]) < 0.4 * np.percentile(opening, 90)


def test_windows_hear_the_moment_of_the_frame(record, made):
    """The energy in the middle of each window is that of the sound at the frame's time."""
    wave = np.asarray(record["speech"], np.float32) / 32768
    assert made.windows.shape == (len(made.faps), 6, 18)
    power = [np.mean(wave[max(0, 640 * k - 320) : 640 * k + 320] ** 2) for k in range(len(made.faps))]
    energy = made.windows[..., 17]
    level = np.log(np.array(power) + 1e-9)
    match = [np.corrcoef(energy[:, place], level)[0, 1] for place in range(6)]
    assert np.argmax(match) == 3 and match[3] > 0.9
    np.testing.assert_allclose(energy[5:, 2], energy[4:-1, 3], atol=1e-5)  # a frame later it is one place further back


def test_real_animation(media):
    folder = media / "facegood"
    real = fap_clips.animated(folder / "3_15.flac", folder / "3_15.npz")
    assert real.fps == 30 and len(real.faps) == len(real.windows) == 1472
    with np.load(folder / "3_15.npz") as file:
        jaw = file["weights"][:, file["names"].tolist().index("mouth_stretch_c")]
    assert np.corrcoef(real.faps[:, fap_mouth.JAW], jaw)[0, 1] > 0.98
    assert np.isfinite(real.windows).all() and np.abs(real.windows).mean() < 1.5


def test_silence_after_the_sound_changes_nothing_before(media):
    wave = load.load(media / "speech" / "english_neutral_male.wav")[16000 : 2 * 16000]
    short, longer = fap_clips.listen(wave), fap_clips.listen(np.pad(wave, (0, 16000 * 3)))
    assert len(short) == 101 and len(longer) == 401
    np.testing.assert_allclose(short[:95], longer[:95], atol=1e-4)
    scales = mixed_features.scale(short), mixed_features.scale(longer)
    assert (np.abs(scales[0].mean - scales[1].mean) < 0.1 * scales[0].spread).all()
