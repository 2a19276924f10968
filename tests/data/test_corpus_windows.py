import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.audio import mel
from jaxtalk.data import corpus_windows

RNG = np.random.default_rng(0)


def record(frames=60):
    return {
        "speech": RNG.integers(-9000, 9000, 640 * frames).astype(np.int16),
        "expression": RNG.random((frames, 52), np.float32),
        "rotation": RNG.random((frames, 3), np.float32),
        "translation": RNG.random((frames, 3), np.float32),
        "blink": RNG.random(frames, np.float32),
        "style": 7,
    }


@pytest.mark.parametrize("first", [10, 15, 25])
def test_a_piece_hears_what_the_whole_clip_hears(first):
    whole = record()
    spectrum = mel.log_mel(jnp.asarray(whole["speech"].astype(np.float32) / 32768))
    piece = corpus_windows.cut(whole, 20, first)
    np.testing.assert_allclose(
        corpus_windows.heard(jnp.asarray(piece["speech"])[None], 20)[0],
        mel.windows(spectrum, 25, 20, first=first),
        atol=1e-4,
    )


def test_a_piece_holds_its_frames():
    whole = record()
    piece = corpus_windows.cut(whole, 20, 5)
    np.testing.assert_array_equal(piece["expression"], whole["expression"][5:25])
    np.testing.assert_array_equal(piece["pose"][:, 3:], whole["translation"][5:25])
    assert piece["style"] == 7


def test_a_clip_that_is_too_short_ends_in_silence_and_rest():
    piece = corpus_windows.cut(record(10), 20, 0)
    assert piece["speech"].shape == (640 * 30,) and not piece["speech"][640 * 15 :].any()
    np.testing.assert_array_equal(piece["blink"][9:], np.full(11, piece["blink"][9]))
