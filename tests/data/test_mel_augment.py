import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.data import mel_augment


def test_each_window_gets_its_own_variation_that_the_key_decides():
    windows = jax.random.normal(jax.random.key(0), (3, 80, 16))
    same = jnp.stack([windows[0]] * 3)
    once, again = (mel_augment.augment(jax.random.key(1), same) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert not np.allclose(once[0], once[1]) and np.isfinite(np.asarray(once)).all()


def test_another_throat_moves_a_formant_but_not_in_time():
    windows = jnp.zeros((64, 80, 16)).at[:, 40, 5].set(1.0)
    moved = np.asarray(mel_augment.stretch_frequency(jax.random.key(0), windows))
    peaks = moved[:, :, 5].argmax(1)
    assert peaks.min() < 39 and peaks.max() > 41 and np.all(np.delete(moved, 5, axis=2) == 0)


def test_floor_only_raises_and_hidden_bands_are_few():
    windows = jax.random.normal(jax.random.key(0), (64, 80, 16))
    assert np.all(np.asarray(mel_augment.raise_floor(jax.random.key(1), windows) >= windows - 1e-5))
    hidden = np.asarray(mel_augment.hide_band(jax.random.key(2), windows)) == 0
    assert 0 < hidden.all(2).sum(1).max() <= 15
