"""FaceFormer against the published networks and their way of animating, and as a network to train."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import faceformer as convert
from jaxtalk.models import faceformer, speech_encoder
from jaxtalk.models.faceformer import FaceFormer
from jaxtalk.models.motion_decoder import BIWI, Config, style
from jaxtalk.nn import biased_attention

SPEECH = speech_encoder.Config(  # three convolutions: hop 320 as the real one's
    width=8, layers=1, heads=2, hidden=8, conv_widths=(4, 4, 4), conv_windows=(80, 8, 2), conv_strides=(20, 8, 2),
    position_window=4, position_groups=2,
)  # fmt: skip
TINY = Config(
    coordinates=6, styles=3, width=8, layers=1, heads=2, hidden=8, period=3, fps=25.0, moments=2, speech=SPEECH
)  # fmt: skip
FRAMES = 8


@pytest.mark.slow  # a hundred million parameters each
@pytest.mark.parametrize(("fixture", "usual"), [("faceformer_vocaset", Config()), ("faceformer_biwi", BIWI)])
def test_golden(fixture, usual):
    manifest, arrays = golden_fixture.load(fixture)
    variables, config = convert.variables("golden", golden_fixture.state(manifest, arrays))
    assert config == usual
    given, model = golden_fixture.inputs(manifest), FaceFormer(config)

    @jax.jit
    def run(variables, wave, style):
        heard = model.apply(variables, wave, method=lambda m, wave: m.decoder.speech(wave))
        speech = model.apply(variables, heard, method="attend")
        return heard, faceformer.generate(model, variables, speech, style)

    with jax.default_matmul_precision("highest"):
        heard, motion = run(variables, given["audio"], given["one_hot"])
    golden_fixture.compare(manifest, arrays, "audio_hidden", heard.reshape(1, -1, 768))
    frames = jnp.arange(40)
    mask = biased_attention.bias(frames, frames, config.heads, config.period)
    golden_fixture.compare(manifest, arrays, "biased_mask_40", jnp.maximum(mask, -10000))
    golden_fixture.compare(manifest, arrays, "vertices", motion + given["template"][:, None])


@pytest.fixture(scope="module")
def tiny():
    """Lively variables, two waves, what is heard of them, and two styles."""
    model, wave = FaceFormer(TINY), jax.random.normal(jax.random.key(1), (2, 5500))
    motion, styles = jnp.zeros((2, FRAMES, 6)), style(TINY, jnp.array([0, 2]))
    variables = golden_fixture.variables(jax.eval_shape(model.init, jax.random.key(0), wave, motion, styles))
    listen = jax.jit(lambda wave: model.apply(variables, wave, method=lambda m, wave: m.decoder.speech(wave, FRAMES)))
    return variables, wave, listen(wave), styles


@jax.jit
def animate(variables, heard, styles):
    model = FaceFormer(TINY)
    return faceformer.generate(model, variables, model.apply(variables, heard, method="attend"), styles)


def test_keeping_the_past_gives_what_computing_all_frames_anew_gives(tiny):
    variables, wave, heard, styles = tiny
    forced = jax.jit(FaceFormer(TINY).apply)
    motion = jnp.zeros((2, FRAMES, 6))
    for frame in range(FRAMES):  # what is not known yet does not matter, so one compilation does
        motion = motion.at[:, frame].set(forced(variables, wave, motion, styles)[:, frame])
    got = animate(variables, heard, styles)
    np.testing.assert_allclose(got, motion, atol=1e-5)
    again = forced(variables, wave, got, styles)  # step by step is teacher forcing on what it made
    np.testing.assert_allclose(again, got, atol=1e-5)
    assert np.abs(got).max() > 0.1 and np.abs(np.diff(got, axis=1)).max() > 0.1


def test_a_chunk_at_a_time_is_the_whole(tiny):
    variables, _, heard, styles = tiny
    model = FaceFormer(TINY)

    @jax.jit
    def advance(progress, heard):
        return faceformer.advance(model, variables, progress, model.apply(variables, heard, method="attend"), styles)

    progress, made = model.apply(variables, 2, FRAMES, method="start"), []
    for begin in (0, 4):
        progress, motion = advance(progress, heard[:, begin : begin + 4])
        made.append(motion)
    np.testing.assert_allclose(jnp.concatenate(made, axis=1), animate(variables, heard, styles), atol=1e-6)


def test_a_frame_hears_its_own_speech_and_remembers_the_frames_before(tiny):
    """Speech of one frame is changed: earlier frames are the same, it and later ones are not."""
    variables, _, heard, styles = tiny
    off = np.abs(animate(variables, heard.at[:, 5].add(1.0), styles) - animate(variables, heard, styles)).max((0, 2))
    assert np.all(off[:5] == 0) and np.all(off[5:] > 1e-4)


def test_styles_mix(tiny):
    """Half of two people is the mean of their rows; each moves in a way of its own."""
    variables, _, heard, _ = tiny
    heard, rows = heard[:1].repeat(2, axis=0), variables["params"]["decoder"]["styles"]
    decoder = {**variables["params"]["decoder"], "styles": np.stack([rows[0], (rows[0] + rows[1]) / 2, rows[2]])}
    mean = {"params": {**variables["params"], "decoder": decoder}}
    got = animate(variables, heard, jnp.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]))
    np.testing.assert_allclose(got, animate(mean, heard, style(TINY, jnp.array([1, 2]))), atol=1e-5)
    assert np.abs(got[0] - got[1]).max() > 1e-2


def test_every_parameter_has_a_gradient_through_an_animation(tiny):
    """Of the decoder; dropout draws anew for each frame."""
    variables, _, heard, styles = tiny
    model = FaceFormer(TINY)

    @jax.jit
    def grad(variables, rng):
        def loss(variables):
            speech = model.apply(variables, heard[:, :4], method="attend")
            return jnp.sum(jnp.sin(faceformer.generate(model, variables, speech, styles, rng=rng)))

        return jax.value_and_grad(loss)(variables)

    value, slopes = grad(variables, jax.random.key(3))
    for path, slope in jax.tree_util.tree_leaves_with_path(slopes):
        name = jax.tree_util.keystr(path)
        # A key's bias adds the same to all scores.
        dead = "'key']['bias'" in name or "['speech']" in name
        assert np.isfinite(slope).all() and (dead or np.abs(slope).max() > 0), name
    assert value != grad(variables, jax.random.key(4))[0]
