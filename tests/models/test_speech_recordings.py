"""Real speech in every language at hand through encoders of published size, at once and as it comes.

Weights are those of the golden fixtures, which nobody trained: published ones are not part of the project.
"""

import dataclasses

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.audio import load
from jaxtalk.convert import speech_encoder as convert
from jaxtalk.models.speech_encoder import BASE, LARGE, SpeechEncoder, normalise
from jaxtalk.models.speech_stream import Window, encode

GOLDEN = {
    "speech_wav2vec2_base": BASE,
    "speech_hubert_base": BASE,
    "speech_hubert_large4": dataclasses.replace(LARGE, layers=4),
}
LENGTHS = [16_000 + 1000 * i for i in range(8)]  # 1 s and more, no two recordings alike
ALL = Window(left=75, chunk=75, right=75)  # holds the longest of them, whichever frame is asked for


@pytest.fixture(scope="module")
def waves(media):
    paths = sorted((media / "speech").glob("*.wav"))
    assert len(paths) == len(LENGTHS)
    return [load.load(path)[8000 : 8000 + length] for path, length in zip(paths, LENGTHS, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("name", GOLDEN)
def test_streamed_recordings_give_what_a_padded_batch_gives(waves, name):
    manifest, arrays = golden_fixture.load(name)
    config = GOLDEN[name]
    variables = convert.variables("golden", golden_fixture.state(manifest, arrays), config)
    lengths = jnp.array(LENGTHS)
    batch = jnp.stack([np.pad(wave, (0, LENGTHS[-1] - len(wave))) for wave in waves])

    @jax.jit
    def together(batch):
        return SpeechEncoder(config).apply(variables, normalise(batch, lengths), lengths)[0]

    features = np.asarray(together(batch))
    for row, wave in enumerate(waves):
        streamed = np.concatenate(list(encode(config, variables, lambda wave=wave: np.split(wave, [700, 9000]), ALL)))
        assert streamed.shape == (config.frames(len(wave)), config.width)
        assert np.isfinite(streamed).all() and streamed.std() > 0.1
        np.testing.assert_allclose(streamed, features[row, : len(streamed)], atol=1e-4)
        assert not features[row, len(streamed) :].any()
