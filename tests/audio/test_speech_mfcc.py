"""MFCC of python_speech_features against what that package gave."""

import golden_fixture
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.audio import speech_mfcc


@pytest.fixture(scope="module")
def golden():
    manifest, arrays = golden_fixture.load("python_speech_features_mfcc")
    return manifest, arrays, jnp.asarray(golden_fixture.inputs(manifest)["wave"])


def test_golden_coefficients_of_sound_and_of_silence(golden):
    manifest, arrays, wave = golden
    golden_fixture.compare(manifest, arrays, "mfcc", speech_mfcc.mfcc(wave))
    golden_fixture.compare(manifest, arrays, "short", speech_mfcc.mfcc(wave[:300]))
    golden_fixture.compare(manifest, arrays, "silence", speech_mfcc.mfcc(jnp.zeros(1000)))


def test_each_sound_of_a_batch_has_its_own_coefficients(golden):
    wave = golden[2]
    pair = speech_mfcc.mfcc(jnp.stack([wave[:2000], wave[2000:4000]])[None])
    np.testing.assert_allclose(pair[0, 1], speech_mfcc.mfcc(wave[2000:4000]), atol=1e-4)
    np.testing.assert_allclose(pair[0, 0, :9], speech_mfcc.mfcc(wave)[:9], atol=1e-4)


def test_windows_of_the_published_evaluation_never_reach_beyond_the_sound():
    for frames in (6, 25, 26):
        columns = -(-(640 * frames - 400) // 160) + 1
        taken = speech_mfcc.count(frames, 640 * frames)
        assert taken == frames - 5 and 4 * (taken - 1) + 20 <= columns
    assert speech_mfcc.count(100, 640 * 30 + 639) == 25 and speech_mfcc.count(3, 16000) == 0
    coefficients = jnp.arange(99.0 * 13).reshape(99, 13)
    windows = speech_mfcc.windows(coefficients, 20)
    for frame in range(20):
        np.testing.assert_array_equal(windows[frame], coefficients[4 * frame : 4 * frame + 20].T)
    np.testing.assert_array_equal(
        speech_mfcc.windows(coefficients, 25)[24, :, 3:], np.tile(coefficients[-1], (17, 1)).T
    )
