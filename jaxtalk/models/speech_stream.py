"""A speech encoder on sound that is still coming in, or that goes on for hours: chunk by chunk, in constant memory.

samples --normalise, feature encoder--> a chunk of frames -+
the frames before (left) and behind it (right) ------------+-- context network on this window --> the chunk's features

Every step has the same shapes, so one compilation serves all. Features of the convolutions are those of the whole
utterance, to rounding. The context network sees `left` frames before a chunk and `right` frames behind it, where
offline it sees everything: attention is global, so the output differs, the less the wider the window is; not at all
where it holds the whole utterance. An answer comes `right` + `chunk` frames (of 20 ms) after the sound at the latest.

Two things are defined over the whole utterance: a wave's mean and variance (`speech_encoder.normalise`), and in base
networks those of every channel of the first convolution. For recordings (`encode`) a first pass over the sound finds
them exactly. Live (`Stream` without statistics) they are those of the sound so far, which is rough in the first
seconds; features that were given out stay as they are.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Int

from jaxtalk.models.speech_encoder import Config, SpeechEncoder, moments
from jaxtalk.nn.conv import convolve

_OUTPUTS = 8192  # of the first convolution that `measure` sums up at once: 2.6 s


@dataclasses.dataclass(frozen=True, kw_only=True)
class Window:
    """What the context network sees at once, in frames of 20 ms."""

    left: int
    chunk: int
    right: int


RECORDING = Window(left=250, chunk=500, right=250)  # twice the work of offline
LIVE = Window(left=250, chunk=10, right=15)  # half a second late


class Moments(NamedTuple):
    """Count, mean and sum of squared deviations, which merge exactly (Chan, Golub and LeVeque, 1979)."""

    count: int = 0
    mean: Any = 0.0  # float64, [] or [c]
    square: Any = 0.0

    def merge(self, other: "Moments") -> "Moments":
        count = self.count + other.count
        part = other.count / max(count, 1)
        shift = other.mean - self.mean
        square = self.square + other.square + shift**2 * (self.count * part)
        return Moments(count, self.mean + shift * part, square)

    @property
    def variance(self) -> Any:
        return self.square / max(self.count, 1)


class Statistics(NamedTuple):
    """What is known of a whole utterance, or of one so far."""

    wave: Moments = Moments()  # of the samples
    first: Moments = Moments()  # of each channel of the first convolution of the samples as they are, without bias

    def merge(self, other: "Statistics") -> "Statistics":
        return Statistics(self.wave.merge(other.wave), self.first.merge(other.first))


class Carry(NamedTuple):
    """The window on the features of the convolutions, and which of them are frames of the utterance."""

    features: Float[Array, "1 w c"]
    own: Bool[Array, "1 w"]


class Stream:
    """Takes samples as they come and gives features as they become final.

    Args:
        config, variables: of a `SpeechEncoder`.
        window: what the context network sees.
        statistics: of the whole utterance (see `measure`); without them those of the sound so far are used.
    """

    def __init__(
        self, config: Config, variables: Mapping[str, Any], window: Window = LIVE, statistics: Statistics | None = None
    ):
        self.config, self.window, self._variables = config, window, variables
        self._statistics = statistics or Statistics()
        self._running = statistics is None
        self._pieces = Pieces(window.chunk * config.hop, (window.chunk - 1) * config.hop + config.reach)
        self._taken = 0  # frames that went into the window
        width = window.left + window.chunk + window.right
        self._carry = Carry(
            jnp.zeros((1, width, config.conv_widths[-1]), config.dtype), jnp.zeros((1, width), bool)
        )  # fmt: skip

    def push(self, samples: Float32[np.ndarray, "n"]) -> Float32[np.ndarray, "t d"]:
        """The features that became final with these samples (at 16 kHz); often none, then many."""
        return self._joined([self._advance(piece) for piece in self._pieces.push(samples)])

    def finish(self) -> Float32[np.ndarray, "t d"]:
        """The features of what is left. The stream takes no more samples after it."""
        piece = self._pieces.rest
        total = self._taken + int(self.config.frames(len(piece)))
        made = []
        while self._taken - self.window.right < total:
            made.append(self._advance(piece))
            piece = piece[:0]
        features = self._joined(made)
        return features[: len(features) - max(0, self._taken - self.window.right - total)]

    def _advance(self, piece):
        """One step. All frames of a piece that is not full, even of an empty one, are behind the utterance's end."""
        c = self.config
        if self._running:
            self._statistics = self._statistics.merge(_survey(c, self._variables, piece, self._pieces))
        frames = jnp.asarray(min(int(c.frames(len(piece))), self.window.chunk))
        wave, first = _scales(c, self._variables, self._statistics)
        piece = np.pad(piece, (0, self._pieces.reach - len(piece)))
        self._carry, features = _step(c, self.window, self._variables, self._carry, piece, frames, wave, first)
        self._taken += self.window.chunk
        before_start = max(0, self.window.right + self.window.chunk - self._taken)
        return np.asarray(features)[before_start:]

    def _joined(self, parts):
        return np.concatenate([np.zeros((0, self.config.width), np.float32), *parts])


def encode(
    config: Config,
    variables: Mapping[str, Any],
    sound: Callable[[], Iterable[Float32[np.ndarray, "_"]]],
    window: Window = RECORDING,
) -> Iterator[Float32[np.ndarray, "t d"]]:
    """The features of a recording of any length, part by part.

    Args:
        sound: gives the recording's blocks of samples (at 16 kHz) from the start; called twice, see `measure`.
    """
    stream = Stream(config, variables, window, measure(config, variables, sound()))
    for block in sound():
        features = stream.push(block)
        if len(features):
            yield features
    yield stream.finish()


def measure(config: Config, variables: Mapping[str, Any], sound: Iterable[Float32[np.ndarray, "_"]]) -> Statistics:
    """The statistics of a recording from its blocks of samples (at 16 kHz)."""
    stride, reach = config.conv_strides[0], config.conv_windows[0]
    pieces = Pieces(_OUTPUTS * stride, (_OUTPUTS - 1) * stride + reach)
    statistics = Statistics()
    for block in sound:
        for piece in pieces.push(block):
            statistics = statistics.merge(_survey(config, variables, piece, pieces))
    return statistics.merge(_survey(config, variables, pieces.rest, pieces))


class Pieces:
    """Cuts samples that come in blocks into pieces of `reach` samples, one every `step` samples."""

    def __init__(self, step: int, reach: int):
        self.step, self.reach = step, reach
        self.rest = np.zeros(0, np.float32)  # what is in no piece yet, and what the next one shares with the last

    def push(self, samples: Float32[np.ndarray, "n"]) -> Iterator[Float32[np.ndarray, "reach"]]:
        self.rest = np.concatenate([self.rest, samples])
        while len(self.rest) >= self.reach:
            piece, self.rest = self.rest[: self.reach], self.rest[self.step :]
            yield piece


def _survey(config: Config, variables: Mapping[str, Any], piece, pieces: Pieces) -> Statistics:
    """Statistics of the samples that are new in a piece, and of the first convolution's outputs that start there."""
    new = (piece[: pieces.step] if len(piece) == pieces.reach else piece).astype(np.float64)
    wave = Moments(len(new), new.mean(), np.square(new - new.mean()).sum()) if len(new) else Moments()
    stride, window = config.conv_strides[0], config.conv_windows[0]
    outputs = min(len(new) // stride, (len(piece) - window) // stride + 1)
    if config.conv_norm != "group" or outputs < 1:
        return Statistics(wave)
    piece = np.pad(piece, (0, pieces.reach - len(piece)))
    found = _first_moments(_first_kernel(variables), piece, jnp.asarray([outputs]), stride)
    mean, variance = (np.asarray(value, np.float64)[0, 0] for value in found)
    return Statistics(wave, Moments(outputs, mean, variance * outputs))


def _scales(config: Config, variables: Mapping[str, Any], known: Statistics):
    """(mean, deviation) to normalise samples by, and (mean, variance) of the first convolution of normalised ones."""
    mean, deviation = (known.wave.mean, np.sqrt(known.wave.variance + 1e-7)) if config.normalise else (0.0, 1.0)
    wave = np.float32(mean), np.float32(deviation)
    if config.conv_norm != "group":
        return wave, None
    of_one = np.asarray(_first_kernel(variables), np.float64).sum((0, 1))  # what it makes of a constant 1
    first = (known.first.mean - mean * of_one) / deviation, known.first.variance / deviation**2 + 0 * of_one
    bias = variables["params"]["ear"]["conv_0"].get("bias", 0.0)
    return wave, (np.float32(first[0] + bias)[None], np.float32(first[1])[None])


def _first_kernel(variables: Mapping[str, Any]) -> Float[Array, "window 1 c"]:
    return jnp.asarray(variables["params"]["ear"]["conv_0"]["kernel"])


@functools.partial(jax.jit, static_argnums=3)
def _first_moments(kernel: Float[Array, "window 1 c"], piece: Float[Array, "n"], outputs: Int[Array, "1"], stride: int):
    x = convolve(piece[None, :, None], kernel, stride)
    return moments(x, jnp.arange(x.shape[1])[None] < outputs[:, None])


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=3)
def _step(config, window, variables, carry, piece, frames, wave, first):
    """The carry after a chunk of which so many frames are the utterance's, and features [chunk, d]."""
    network = SpeechEncoder(config)
    chunk = network.apply(variables, (piece[None] - wave[0]) / wave[1], first, method="hear")
    own = (jnp.arange(window.chunk) < frames)[None]
    carry = Carry(
        jnp.concatenate([carry.features[:, window.chunk :], chunk], axis=1),
        jnp.concatenate([carry.own[:, window.chunk :], own], axis=1),
    )
    x = network.apply(variables, *carry, method="contextualise")
    return carry, x[0, window.left : window.left + window.chunk]
