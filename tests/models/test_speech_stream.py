"""Chunked encoding against offline encoding: what is equal, what is close, and what never grows."""

import dataclasses
import functools

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.models import speech_stream
from jaxtalk.models.speech_encoder import Config, SpeechEncoder, normalise
from jaxtalk.models.speech_stream import Stream, Window, encode, measure

BASE = Config(  # hop 20, reach 30
    width=32, layers=2, heads=4, hidden=64, conv_widths=(16,) * 3, conv_windows=(10, 3, 2), conv_strides=(5, 2, 2),
    position_window=16, position_groups=4,
)  # fmt: skip
LARGE = dataclasses.replace(BASE, conv_bias=True, conv_norm="layer", norm_first=True)
FRAMES = 600
SPEECH = np.random.default_rng(0).standard_normal(20 * FRAMES + 27)
SPEECH = (0.1 * SPEECH * (1 + np.sin(np.arange(len(SPEECH)) / 900)) + 0.02).astype(np.float32)
WHOLE = Window(left=FRAMES, chunk=50, right=FRAMES)  # sees all of it from anywhere


@functools.cache
def lively(config):
    abstract = jax.eval_shape(SpeechEncoder(config).init, jax.random.key(0), jnp.zeros((1, 400)))
    return golden_fixture.variables(abstract)


@functools.cache
def offline(config):
    apply = jax.jit(lambda wave: SpeechEncoder(config).apply(lively(config), normalise(wave))[0][0])
    return np.asarray(apply(jnp.asarray(SPEECH[None])))


def blocks():
    return np.split(SPEECH, [3, 4, 1000, 5555])


def chunked(config, window):
    return np.concatenate(list(encode(config, lively(config), blocks, window)))


def error(features, config):
    """Root mean square over frames and channels, relative to that of the features."""
    return np.sqrt(np.mean((features - offline(config)) ** 2) / np.mean(offline(config) ** 2))


@pytest.mark.parametrize("config", [BASE, pytest.param(LARGE, marks=pytest.mark.slow)], ids=["base", "large"])
def test_a_window_that_holds_the_utterance_gives_what_offline_gives(config):
    features = chunked(config, WHOLE)
    assert features.shape == offline(config).shape == (FRAMES, 32)
    np.testing.assert_allclose(features, offline(config), atol=2e-5)


def test_the_error_falls_with_the_context():
    """Random weights, which listen to everything alike. Trained ones listen nearby: configs/hubert.py tells."""
    errors = [error(chunked(BASE, Window(left=n, chunk=50, right=n)), BASE) for n in (10, 50, 250)]
    assert 0.15 < errors[0] < 0.25 and errors[1] < 0.17 and errors[2] < 0.05


def test_statistics_are_those_of_the_whole_recording():
    found = measure(BASE, lively(BASE), blocks())
    exact = SPEECH.astype(np.float64)
    kernel = np.asarray(lively(BASE)["params"]["ear"]["conv_0"]["kernel"], np.float64)[:, 0]
    first = np.lib.stride_tricks.sliding_window_view(exact, 10)[::5] @ kernel
    assert found.wave.count == len(exact) and found.first.count == len(first)
    np.testing.assert_allclose(found.wave.mean, exact.mean(), rtol=1e-9)
    np.testing.assert_allclose(found.wave.variance, exact.var(), rtol=1e-9)
    np.testing.assert_allclose(found.first.mean, first.mean(0), atol=1e-7)
    np.testing.assert_allclose(found.first.variance, first.var(0), rtol=1e-5)


def test_live_features_come_in_time_and_get_better_with_the_statistics():
    window = Window(left=FRAMES, chunk=10, right=FRAMES // 4)
    stream, features, late = Stream(BASE, lively(BASE), window), [], 0
    for end in range(160, len(SPEECH), 160):  # 10 ms
        features.append(stream.push(SPEECH[end - 160 : end]))
        late = max(late, BASE.frames(end) - sum(map(len, features)))
    features = np.concatenate([*features, stream.push(SPEECH[end:]), stream.finish()])
    assert features.shape == offline(BASE).shape
    assert late < window.right + window.chunk + 8  # 8 frames in a block
    difference = np.abs(features - offline(BASE)).mean(-1)
    assert difference[-100:].mean() < 0.5 * difference[:100].mean()


@pytest.mark.slow
def test_blocks_may_have_any_size():
    statistics = measure(LARGE, lively(LARGE), blocks())
    window = Window(left=FRAMES, chunk=50, right=FRAMES)
    stream = Stream(LARGE, lively(LARGE), window, statistics)
    at_once = np.concatenate([stream.push(SPEECH), stream.finish()])
    np.testing.assert_array_equal(at_once, chunked(LARGE, window))


@pytest.mark.parametrize("samples, frames", [(0, 0), (29, 0), (30, 1), (1023, 50)])
def test_short_recordings(samples, frames):
    sound = np.zeros(samples, np.float32)
    features = np.concatenate(list(encode(LARGE, lively(LARGE), lambda: [sound], WHOLE)))
    assert features.shape == (frames, 32) and np.isfinite(features).all()


def test_an_hour_takes_no_more_than_a_second(caplog):
    """Nothing is compiled after the first step, and what is kept has the same size after any number of them."""
    stream = Stream(BASE, lively(BASE), WHOLE, measure(BASE, lively(BASE), blocks()))
    stream.push(SPEECH[:3000])
    kept = jax.tree.map(jnp.shape, stream._carry), len(stream._pieces.rest)
    with jax.log_compiles():
        for _ in range(4):
            stream.push(SPEECH[:3000])
            assert (jax.tree.map(jnp.shape, stream._carry), len(stream._pieces.rest)) == kept
    assert "Compiling" not in caplog.text
    with jax.log_compiles():
        speech_stream._first_moments(jnp.zeros((10, 1, 3)), np.zeros(40, np.float32), jnp.array([1]), 5)
    assert "Compiling" in caplog.text  # so the log would have told
