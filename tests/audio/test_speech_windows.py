import jax.numpy as jnp
import numpy as np

from jaxtalk.audio import speech_windows


def test_normalised_mel_forgets_gain_and_colour():
    mel = np.random.default_rng(0).normal(size=(300, 80)).astype(np.float32)
    coloured = mel + np.linspace(-2, 2, 80, dtype=np.float32)
    np.testing.assert_allclose(speech_windows.normalise(mel), speech_windows.normalise(coloured), atol=1e-4)


def test_silence_stays_finite():
    assert np.all(np.asarray(speech_windows.normalise(jnp.full((100, 80), -4.0))) == 0)


def test_windows_are_centred_on_their_frame_and_do_not_depend_on_the_first():
    ramp = jnp.broadcast_to(jnp.arange(400.0)[:, None], (400, 80))
    windows = np.asarray(speech_windows.windows(ramp, 25, 50))
    assert windows.shape == (50, 80, 16)
    np.testing.assert_allclose(windows[20:40].mean((1, 2)), np.arange(20, 40) * 3.2, atol=1.0)
    assert np.all(np.diff(windows[25, 0]) == speech_windows.SPACING)
    np.testing.assert_array_equal(speech_windows.windows(ramp, 25, 30, first=20), windows[20:])
    assert np.all(windows[0, :, :8] == 0)  # before the start the first column is repeated
