"""Speech to MPEG-4 parameters by the 2003 system's perceptron: whole recordings, and live.

wave --features--> [t, 18] --normalise--> --six frames around each moment--> perceptron --> mean of patterns, smoothed

Live, a frame is known `latency(fps)` seconds after its moment, 0.16 at 25 fps: 80 ms of context, 40 ms until a feature
has heard all of its sound, and a frame for smoothing. The time between two calls of `Live.push` comes on top.
"""

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32

from jaxtalk.audio import mixed_features, pitch, stft
from jaxtalk.data import fap_clips
from jaxtalk.io import weights
from jaxtalk.models import fap_perceptron, fap_smoothing
from jaxtalk.systems import listen

REACH = 1  # frames of smoothing to either side
BLOCK = 256  # frames that the perceptron takes at once
HISTORY = 320  # columns that live features look back on; the RASTA filter has forgotten 99.8 % of what came before
HEARD = 300  # columns of speech after which the speaker's own scale is used
KEPT = 6000  # columns that scale is taken from
AHEAD = 1 + -(-pitch.SIZE // 2 // stft.HOP)  # columns by which sound must be ahead of a finished one


@dataclasses.dataclass(frozen=True)
class Perceptron:
    """What `configs/fap.py` trains."""

    config: fap_perceptron.Config
    params: dict
    centres: Float[Array, "p 68"]
    scale: mixed_features.Scale  # usual, of those who were learnt from


def load(path: str | Path) -> Perceptron:
    """Reads the weights that training wrote.

    Raises:
        InputError: the file is missing or is not of a FAP perceptron.
    """
    config = fap_perceptron.Config(**weights.load(path).config)
    empty = jnp.zeros((1, config.context, config.features))
    like = jax.eval_shape(fap_perceptron.FapPerceptron(config).init, jax.random.key(0), empty)
    feature = jax.ShapeDtypeStruct((config.features,), jnp.float32)
    like |= {
        "patterns": {"centres": jax.ShapeDtypeStruct((config.patterns, 68), jnp.float32)},
        "scale": {"mean": feature, "spread": feature},
    }
    stored = weights.load(path, like).variables
    scale = mixed_features.Scale(*(np.asarray(stored["scale"][key]) for key in mixed_features.Scale._fields))
    return Perceptron(config, {"params": stored["params"]}, stored["patterns"]["centres"], scale)


def latency(fps: float | int) -> float:
    """Seconds between a moment of speech and its frame, without the time between pushes."""
    return mixed_features.FORWARD * mixed_features.SPACING + AHEAD * stft.HOP / stft.RATE + REACH / fps


def animate(by: Perceptron, wave: Float[np.ndarray, "n"], fps: float | int) -> Float32[np.ndarray, "t 68"]:
    """Parameters of a whole recording at 16 kHz; frame k is at k / fps seconds."""
    frames = listen.frame_count(len(wave), float(fps))
    features = fap_clips.listen(wave)
    features = mixed_features.normalise(features, mixed_features.scale(features))
    raw = _frames(by, mixed_features.windows(features, fps, frames))
    return np.asarray(fap_smoothing.smooth(jnp.asarray(raw), REACH))


class Live:
    """Speech in as it comes, frames out as they become known: the same as `animate` but for the speaker's scale.

    The scale is the usual one until three seconds were heard, then that of what was heard in the last minute.
    """

    def __init__(self, by: Perceptron, fps: float | int = 25, scale: mixed_features.Scale | None = None):
        """`scale`: of this speaker and microphone, if it is known beforehand."""
        self._by, self._fps, self._given = by, fps, scale
        self._wave = np.zeros(0, np.float32)  # the end of what was said, from `_start` on
        self._start = 0  # samples; a whole number of hops
        self._features = np.zeros((0, mixed_features.FEATURES), np.float32)  # finished columns; the last KEPT
        self._finished = 0  # columns
        self._raw: list[np.ndarray] = []  # frames before smoothing that are still needed
        self._heard = 0  # frames before smoothing, in all

    def push(self, samples: Float32[np.ndarray, "n"]) -> Float32[np.ndarray, "k 68"]:
        """Takes more sound at 16 kHz, any amount; gives the frames that are now known."""
        second = stft.RATE
        parts = [self._push(samples[i : i + second]) for i in range(0, max(1, len(samples)), second)]
        return np.concatenate(parts)

    def _push(self, samples):
        self._wave = np.concatenate([self._wave, samples])
        count = (self._start + len(self._wave)) // stft.HOP - AHEAD + 1  # columns that are finished now
        if count > self._finished:
            self._hear(count)
        return self._speak()

    def _hear(self, count: int) -> None:
        """Finishes columns up to `count`, from sound of always the same length."""
        length = (HISTORY + AHEAD) * stft.HOP
        first = max(0, count - HISTORY)
        drop = first * stft.HOP - self._start
        self._wave, self._start = self._wave[drop:], first * stft.HOP
        sound = np.pad(self._wave[:length], (0, max(0, length - len(self._wave))))
        columns = np.asarray(mixed_features.mixed(jnp.asarray(sound)))
        new = columns[self._finished - first : count - first]
        self._features = np.concatenate([self._features, new])[-KEPT:]
        self._finished = count

    def _speak(self):
        """Frames whose context is finished, smoothed."""
        ready = self._heard
        while mixed_features.columns(np.array([ready / self._fps]))[0, -1] < self._finished:
            ready += 1
        if ready > self._heard:
            features = mixed_features.normalise(self._features, self._scale())
            seconds = np.arange(self._heard, ready) / self._fps
            wanted = np.maximum(mixed_features.columns(seconds), 0) - (self._finished - len(features))
            self._raw += list(_frames(self._by, features[wanted]))
            if not self._heard:
                self._raw = [self._raw[0]] * REACH + self._raw  # before the start nothing moves
            self._heard = ready
        if len(self._raw) <= 2 * REACH:
            return np.zeros((0, self._by.centres.shape[1]), np.float32)
        padded = np.pad(np.stack(self._raw), ((0, -len(self._raw) % BLOCK), (0, 0)))
        smooth = np.asarray(fap_smoothing.smooth(jnp.asarray(padded), REACH))[REACH : len(self._raw) - REACH]
        self._raw = self._raw[-2 * REACH :]
        return smooth

    def _scale(self) -> mixed_features.Scale:
        if self._given is not None:
            return self._given
        return mixed_features.scale(self._features) if self._finished >= HEARD else self._by.scale


def _frames(by: Perceptron, windows) -> Float32[np.ndarray, "t 68"]:
    """Frames before smoothing; in whole blocks, so that the perceptron is compiled once."""
    blocks = np.pad(windows, ((0, -len(windows) % BLOCK), (0, 0), (0, 0))).reshape(-1, BLOCK, *windows.shape[1:])
    spoken = [_expected(by.config, by.params, by.centres, jnp.asarray(block)) for block in blocks]
    return np.concatenate(spoken)[: len(windows)]


@functools.partial(jax.jit, static_argnums=0)
def _expected(config, params, centres, windows):
    return fap_perceptron.expected(fap_perceptron.FapPerceptron(config).apply(params, windows), centres)
