"""Log-mel against the golden fixture, librosa and a plain loop, and its behaviour at the edges."""

import golden_fixture
import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from jaxtalk.audio import mel, stft


@pytest.fixture(scope="module")
def golden():
    manifest, arrays = golden_fixture.load("wav2lip_melspectrogram")
    return manifest, arrays, jnp.asarray(golden_fixture.inputs(manifest)["wave"])


def test_golden_log_mel(golden):
    manifest, arrays, wave = golden
    golden_fixture.compare(manifest, arrays, "mel", mel.log_mel(wave).T)
    golden_fixture.compare(manifest, arrays, "mel_constant_pad", mel.log_mel(wave, pad="constant").T)
    golden_fixture.compare(manifest, arrays, "preemphasised", mel.emphasise(wave))
    golden_fixture.compare(manifest, arrays, "mel_basis", mel.filters())


def test_filters_are_those_of_librosa():
    np.testing.assert_allclose(
        mel.filters(), librosa.filters.mel(sr=16000, n_fft=800, n_mels=80, fmin=55, fmax=7600), atol=1e-8
    )


def test_long_sound_goes_in_blocks_without_seams(golden, monkeypatch):
    wave = jnp.tile(golden[2], (2, 2)) * jnp.array([[1.0], [0.1]])
    whole = mel.log_mel(wave)
    monkeypatch.setattr(stft, "_BLOCK", 37)  # 161 columns: four blocks and a rest
    blocks = mel.log_mel.__wrapped__(wave)  # not the compiled one
    assert whole.shape == blocks.shape == (2, 161, 80)
    np.testing.assert_allclose(whole, blocks, atol=1e-5)
    np.testing.assert_allclose(whole[0], mel.log_mel(wave[0]), atol=1e-5)


@pytest.mark.parametrize("samples", [1, 199, 200, 401, 1000])
def test_very_short_sound(samples):
    wave = jnp.sin(jnp.arange(float(samples)))
    columns = mel.log_mel(wave)
    assert columns.shape == (1 + samples // 200, 80)
    assert np.isfinite(columns).all()
    assert mel.windows(columns, 25, 3).shape == (3, 80, 16)


def test_gradient_is_finite_in_silence_and_right_in_sound(golden):
    def total(wave):
        return jnp.sum(mel.log_mel(wave) ** 2)

    assert np.isfinite(jax.grad(total)(jnp.zeros(1000))).all()
    wave, step = golden[2][:2000], jnp.sin(jnp.arange(2000.0))
    slope = jax.jvp(total, (wave,), (step,))[1]
    np.testing.assert_allclose(slope, (total(wave + 1e-4 * step) - total(wave - 1e-4 * step)) / 2e-4, rtol=2e-2)
    np.testing.assert_allclose(slope, jax.grad(total)(wave) @ step, rtol=1e-4)


def test_derivatives_compose_under_jit_and_vmap(golden):
    waves = golden[2][:2000].reshape(2, 1000)
    grads = jax.jit(jax.vmap(jax.grad(lambda wave: mel.log_mel(wave).sum())))(waves)
    assert grads.dtype == jnp.float32
    np.testing.assert_allclose(grads[1], jax.grad(lambda wave: mel.log_mel(wave).sum())(waves[1]), rtol=1e-3, atol=1e-3)


def test_silence_is_the_floor_and_loud_noise_is_clipped():
    np.testing.assert_array_equal(mel.log_mel(jnp.zeros(800)), -4)
    noise = 1e4 * jax.random.normal(jax.random.key(0), (800,))
    np.testing.assert_array_equal(mel.log_mel(noise)[:, 10:70].max(), 4)


@pytest.mark.parametrize("fps", [25, 30, 24000 / 1001])
def test_windows_follow_the_published_loop(fps):
    columns = jnp.asarray(np.random.default_rng(0).standard_normal((90, 80)), jnp.float32)
    frames = int(90 / 80 * fps)
    expected = np.empty((frames, 80, 16), np.float32)
    for i in range(frames):
        start = int(80.0 * ((i - 2) / fps))
        for k in range(16):
            expected[i, :, k] = columns[min(max(start + k, 0), 89)]
    np.testing.assert_array_equal(mel.windows(columns, fps, frames), expected)
    np.testing.assert_array_equal(mel.windows(columns, fps, 7, first=frames - 7), expected[-7:])
