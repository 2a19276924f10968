"""Speech at an animation's pace: how many frames, which of the encoder's they lie between, and padded batches."""

import functools

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.errors import InputError
from jaxtalk.models import speech_encoder
from jaxtalk.models.paced_speech import PacedSpeech, frames_of, paced

SMALL = speech_encoder.Config(  # three convolutions: hop 320 as the real one's, reach 400
    width=8, layers=1, heads=2, hidden=8, conv_widths=(4, 4, 4), conv_windows=(80, 8, 2), conv_strides=(20, 8, 2),
    position_window=4, position_groups=2,
)  # fmt: skip


def test_frames_are_as_many_as_the_originals_make():
    """Their product is in double precision, so 205 features are 122 frames at 30 a second, not 123."""
    base = speech_encoder.BASE
    for features, thirty, twentyfive in ((49, 29, 24), (50, 30, 25), (205, 122, 102), (1, 0, 0)):
        samples = base.reach + (features - 1) * base.hop
        assert base.frames(samples) == features
        assert frames_of(base, 30.0, 1, samples) == thirty
        assert frames_of(base, 25.0, 2, samples) == twentyfive


def test_features_are_stretched_from_the_first_to_the_last():
    x = jnp.stack([jnp.arange(12.0), jnp.arange(12.0) ** 2], axis=-1)[None]
    got = paced(jnp.concatenate([x, -x]), jnp.array([12, 5]), jnp.array([7, 3]), 7, True)
    np.testing.assert_allclose(got[0, :, 0], np.linspace(0, 11, 7), rtol=1e-5)
    np.testing.assert_allclose(
        got[0, :, 1], np.interp(np.linspace(0, 11, 7), np.arange(12), np.arange(12) ** 2), rtol=1e-5
    )
    np.testing.assert_allclose(got[1, :, 0], [0, -2, -4, -4, -4, -4, -4], rtol=1e-5)
    kept = paced(x, jnp.array([12]), jnp.array([14]), 14, False)
    np.testing.assert_allclose(kept[0, :, 0], [*range(12), 11, 11])


@pytest.mark.parametrize(("fps", "moments"), [(30.0, 1), (25.0, 2)])
def test_a_clip_in_a_padded_batch_is_heard_as_it_is_alone(fps, moments):
    listen = PacedSpeech(SMALL, fps, moments)
    wave = jax.random.normal(jax.random.key(0), (2, 4000))
    variables = golden_fixture.variables(jax.eval_shape(listen.init, jax.random.key(1), wave))
    run = jax.jit(functools.partial(listen.apply, variables), static_argnums=1)
    frames = [frames_of(SMALL, fps, moments, n) for n in (4000, 2700)]
    both = run(wave.at[1, 2700:].set(3.0), frames[0], (jnp.array([4000, 2700]), jnp.array(frames)))
    alone = run(wave[1:, :2700], None)
    assert both.shape == (2, frames[0], moments, 8) and alone.shape[1] == frames[1]
    np.testing.assert_allclose(both[1, : frames[1]], alone[0], atol=1e-5)
    with pytest.raises(InputError, match="too short for a frame"):
        run(wave[:, :400], None)
