import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.audio import mel
from jaxtalk.face import arkit
from jaxtalk.face.mouth import opening
from jaxtalk.systems import listen, long_speech


@pytest.fixture(scope="module")
def wave():
    """4.5 s of noise that swells."""
    samples = np.random.default_rng(0).normal(0, 0.1, 72_000)
    return (samples * np.sin(np.arange(72_000) / 3000)).astype(np.float32)


@pytest.mark.parametrize("block", [1, 999, 16_000])
def test_sound_in_blocks_of_any_size_has_the_log_mel_of_the_whole(wave, block, monkeypatch):
    monkeypatch.setattr(long_speech, "_PIECE", 16_000)
    wave = wave[:40_000] if block > 1 else wave[:2000]
    heard = long_speech.spectrum(np.split(wave, range(block, len(wave), block)))
    assert heard.samples == len(wave)
    np.testing.assert_allclose(heard.spectrum, mel.log_mel(jnp.asarray(wave)), atol=1e-4)


@pytest.mark.slow
def test_pieces_of_the_heads_motion_are_those_of_the_whole(wave, monkeypatch):
    spectrum = long_speech.spectrum([wave]).spectrum
    whole = listen.head(spectrum, 25.0, 112, style=3, seed=1)
    monkeypatch.setattr(listen, "PIECE", 2)  # 112 frames are a piece of two chunks and one of two with a short end
    for ours, theirs in zip(listen.head(spectrum, 25.0, 112, style=3, seed=1), whole, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_silence_is_a_closed_still_mouth_and_eyes_that_blink():
    heard = long_speech.spectrum([np.zeros(8 * 16_000, np.float32)])
    expression = np.asarray(long_speech.motion(heard, 25.0, style=0, seed=0, still=True).expression)
    assert len(expression) == 200
    assert np.abs(opening(jnp.asarray(expression))).max() < 0.01
    assert np.ptp(expression[:, listen.MOUTH], axis=0).max() < 0.02
    blink = expression[:, arkit.INDEX["eyeBlinkLeft"]]
    assert blink.max() > 0.8 and np.median(blink) < 0.2


def test_a_stop_is_no_pause():
    spectrum = np.zeros((400, 80), np.float32)
    spectrum[100:116] = -4  # 0.2 s
    spectrum[200:300] = -4
    left = long_speech.awake(jnp.asarray(spectrum), np.arange(100) / 20)
    assert left[20:35].min() > 0.95 and left[60] < 0.01 and left[90] > 0.99
