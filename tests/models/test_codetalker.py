"""CodeTalker against the published network and its way of animating, its faster way beside that, and in training."""

import dataclasses
import functools
from typing import NamedTuple

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.convert import codetalker as convert
from jaxtalk.convert.state_dict import select
from jaxtalk.losses import codebook as losses
from jaxtalk.models import codetalker, motion_decoder, motion_vqvae, speech_encoder
from jaxtalk.models.codetalker import CodeTalker, Config, Variables
from jaxtalk.models.motion_decoder import style
from jaxtalk.models.motion_vqvae import MotionVqvae

SPEECH = speech_encoder.Config(  # three convolutions: hop 320 as the real one's
    width=8, layers=1, heads=2, hidden=8, conv_widths=(4, 4, 4), conv_windows=(80, 8, 2), conv_strides=(20, 8, 2),
    position_window=4, position_groups=2,
)  # fmt: skip
DECODER = motion_decoder.Config(
    coordinates=6, styles=3, width=8, layers=1, heads=2, hidden=8, period=3, speech=SPEECH
)  # fmt: skip
MODEL = CodeTalker(Config(decoder=DECODER, features=6))
PRIOR = MotionVqvae(
    motion_vqvae.Config(
        coordinates=6, width=8, layers=1, heads=2, hidden=12, codes=16, parts=2, code_width=3, projected=True
    )
)
FRAMES = 9


@pytest.mark.slow  # three hundred million parameters
def test_golden():
    manifest, arrays = golden_fixture.load("codetalker_stage2_vocaset")
    state = golden_fixture.state(manifest, arrays)
    predictor, config = convert.predictor_variables("golden", state)
    fixed, prior_config = convert.prior_variables("golden", select(state, "autoencoder."))
    assert config == Config() and prior_config == motion_vqvae.Config(published_scale=True)
    model, prior, given = CodeTalker(config), MotionVqvae(prior_config), golden_fixture.inputs(manifest)

    @jax.jit
    def run(variables, wave, style):
        heard = model.apply(variables.predictor, wave, method=lambda m, wave: m.decoder.speech(wave))
        speech = model.apply(variables.predictor, heard, method="attend")
        return heard, codetalker.generate(model, prior, variables, speech, style)

    with jax.default_matmul_precision("highest"):
        heard, made = run(Variables(predictor, fixed), given["audio"], given["one_hot"])
    golden_fixture.compare(manifest, arrays, "audio_hidden", heard.reshape(1, -1, 768))
    golden_fixture.compare(manifest, arrays, "indices", made.codes.reshape(1, -1))
    golden_fixture.compare(manifest, arrays, "vertices", made.motion + given["template"][:, None])


@pytest.fixture(scope="module")
def tiny():
    """Lively variables, two waves, what is heard of them, and two styles. Codes lie as wide as what asks for them."""
    wave, styles = jax.random.normal(jax.random.key(1), (2, 5200)), style(DECODER, jnp.array([0, 2]))
    motion = jnp.zeros((2, FRAMES, 6))
    predictor, fixed = (
        golden_fixture.variables(jax.eval_shape(model.init, jax.random.key(0), *given))
        for model, given in ((MODEL, (wave, motion, styles)), (PRIOR, (motion,)))
    )
    fixed["params"]["codebook"]["codes"] = jax.random.normal(jax.random.key(3), (16, 3))
    listen = jax.jit(lambda wave: MODEL.apply(predictor, wave, method=lambda m, wave: m.decoder.speech(wave, FRAMES)))
    return Variables(predictor, fixed), wave, listen(wave), styles


@functools.partial(jax.jit, static_argnames=("window", "delay"))
def generate(variables, heard, styles, window=None, delay=None):
    speech = MODEL.apply(variables.predictor, heard, method="attend")
    return codetalker.generate(MODEL, PRIOR, variables, speech, styles, window, delay)


class Loop(NamedTuple):
    """The original's way: for every frame, every network on all frames so far."""

    stages: list  # the motion of each of these runs, [b, t, c], in which frames beyond the newest mean nothing
    codes: jax.Array  # of the last one


@pytest.fixture(scope="module")
def published(tiny):
    variables, wave, _, styles = tiny

    @jax.jit
    def anew(motion, count):
        """Causal networks may be given frames that are not known yet, so one compilation does."""
        features = MODEL.apply(variables.predictor, wave, motion, styles)
        codes, coded = PRIOR.apply(variables.prior, features, method="quantise")
        return PRIOR.apply(variables.prior, codes, jnp.full(2, count), method="decode"), coded.indices

    motion, stages = jnp.zeros((2, FRAMES, 6)), []
    for frame in range(FRAMES):
        made, codes = anew(motion, frame + 1)
        motion = motion.at[:, frame].set(made[:, frame])
        stages.append(made)
    return Loop(stages, codes)


def test_exact_animation_is_the_published_loop(monkeypatch, tiny, published):
    """Also while its buffers grow."""
    monkeypatch.setattr(codetalker, "_SMALLEST", 4)
    assert codetalker._buffers(FRAMES) == [4, 6, 9] and codetalker._buffers(3) == [3]
    variables, _, heard, styles = tiny
    got = generate(variables, heard, styles)
    np.testing.assert_array_equal(got.codes, published.codes)
    np.testing.assert_allclose(got.motion, published.stages[-1], atol=1e-5)
    assert len(np.unique(got.codes)) > 4 and np.abs(np.diff(got.motion, axis=1)).max() > 0.1


def test_a_short_window_is_exact_until_it_is_full_and_near_then(tiny, published):
    """Measured with these random weights: windows of 2 of 9 frames change a ninth of the codes, windows of 3 none."""
    variables, _, heard, styles = tiny
    short = generate(variables, heard, styles, window=2)
    np.testing.assert_array_equal(short.codes[:, :3], published.codes[:, :3])  # the third is fed what two were
    changed = np.mean(short.codes != published.codes)
    assert 0 < changed <= 0.2, changed
    for window, delay in ((1, None), (3, 3), (None, 2)):
        with pytest.raises(ValueError, match="more than the delay"):
            generate(variables, heard, styles, window, delay)


def test_chunks_and_a_delay_give_a_live_animation(tiny, published):
    """A frame comes two late, as a clip that ends two frames later would have it."""
    variables, _, heard, styles = tiny
    late = generate(variables, heard, styles, window=FRAMES, delay=2)
    np.testing.assert_array_equal(late.codes, published.codes)
    want = [published.stages[min(frame + 2, FRAMES - 1)][:, frame] for frame in range(FRAMES)]
    np.testing.assert_allclose(late.motion, jnp.stack(want, axis=1), atol=1e-5)

    @jax.jit
    def advance(state, heard):
        speech = MODEL.apply(variables.predictor, heard, method="attend")
        return codetalker.advance(MODEL, PRIOR, variables, state, speech, styles, delay=2)

    state, motion = codetalker.start(MODEL, PRIOR, variables, 2, FRAMES, FRAMES), []
    for begin in (0, 3, 6):
        state, (chunk, _, _) = advance(state, heard[:, begin : begin + 3])
        motion.append(chunk)
    motion.append(codetalker.rest(PRIOR, variables, state, 2))
    np.testing.assert_allclose(jnp.concatenate(motion, axis=1)[:, 2:], late.motion, atol=1e-5)


def test_codes_depend_on_speech_so_far_and_motion_on_all(tiny):
    """Speech of one frame is changed; how much it knows of other sound is the encoder's affair."""
    variables, _, heard, styles = tiny
    usual, other = (generate(variables, x, styles) for x in (heard, heard.at[:, 5].add(3.0)))
    np.testing.assert_array_equal(usual.codes[:, :5], other.codes[:, :5])
    assert np.any(usual.codes[:, 5:] != other.codes[:, 5:])
    assert np.all(np.abs(usual.motion - other.motion).max((0, 2)) > 0)


def test_without_a_codebook_features_are_decoded_as_they_are(tiny):
    """As with a codebook that has a code for each of these features."""
    variables, _, heard, styles = tiny
    free = CodeTalker(dataclasses.replace(MODEL.config, codebook=False))
    every = MotionVqvae(dataclasses.replace(PRIOR.config, codes=FRAMES * 2 * 2))

    @functools.partial(jax.jit, static_argnums=(0, 1))
    def run(model, prior, variables):
        speech = model.apply(variables.predictor, heard, method="attend")
        state = codetalker.start(model, prior, variables, 2, FRAMES, FRAMES)
        _, (_, features, _) = codetalker.advance(model, prior, variables, state, speech, styles)
        return features, codetalker.generate(model, prior, variables, speech, styles, window=FRAMES)

    features, made = run(free, PRIOR, variables)
    assert made.codes is None
    fixed = variables.prior["params"] | {"codebook": {"codes": features.reshape(-1, 3)}}
    coded, again = run(MODEL, every, Variables(variables.predictor, {"params": fixed}))
    np.testing.assert_allclose(coded, features, atol=1e-5)
    np.testing.assert_allclose(again.motion, made.motion, atol=1e-5)
    assert len(np.unique(again.codes)) > 20


def test_training_moves_the_predictor_and_leaves_the_prior(tiny):
    variables, wave, _, styles = tiny
    motion = jax.random.normal(jax.random.key(2), (2, FRAMES, 6))
    lengths = jnp.array([5200, 3600]), jnp.array([9, 6])
    own = jnp.arange(FRAMES)[None] < lengths[1][:, None]

    @jax.jit
    def grad(variables, wave, motion):
        truth = codetalker.truth_codes(PRIOR, variables.prior, motion, lengths[1])

        def loss(variables):
            rngs = {"dropout": jax.random.key(0)}
            made = codetalker.predict(MODEL, PRIOR, variables, wave, motion, styles, lengths, rngs)
            total = losses.squared_error(made.motion, motion, own) + losses.commitment(made.features, truth, own)
            return total.sum()

        return jax.grad(loss)(variables)

    slopes = grad(variables, wave, motion)
    assert all(np.all(slope == 0) for slope in jax.tree.leaves(slopes.prior))
    for path, slope in jax.tree_util.tree_leaves_with_path(slopes.predictor):
        name = jax.tree_util.keystr(path)
        # There is one moment to attend to, and a key's bias adds the same to all scores.
        dead = "hearing']['query" in name or "hearing']['key" in name or "'key']['bias'" in name
        assert np.isfinite(slope).all() and (np.abs(slope).max() > 0 or dead), name
    other = grad(variables, wave.at[1, 3600:].set(1.0), motion.at[1, 6:].set(2.0))
    for got, want in zip(jax.tree.leaves(other), jax.tree.leaves(slopes), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-4)
