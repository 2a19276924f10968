"""PoseWaveNet: head motion from speech, frame by frame, each drawn given those before it (GeneFace's Audio2Pose, 2023).

speech [t, 58] --2 linear layers--> what every layer hears [t, 256]
pose before [t, 12] --2 linear layers, 6 gated layers of 2 frames--> sum of what they put out --2 linear layers-->
    a mixture of normal distributions of the pose [t, k (1 + 2 12)]

After "Live Speech Portraits" (Lu et al., SIGGRAPH Asia 2021). A pose is three angles, three coordinates
(less the person's mean) and how much each changes in a frame. What stands in row i is the pose of frame i - 1. Speech:
two rows of DeepSpeech's 29 features around the frame, as published; any other will do in training.

The layers see `Config.reach` frames, 15 as published. `generate` keeps what each layer needs of the past and computes
one frame at a time. The published loop computes a window of 100 frames for each; the numbers are the same, since its
window is longer than the layers see and it begins with a still pose too.
"""

import dataclasses
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Key

POSE = 6
_ROW = 2 * POSE  # with velocities
_SLOPE = 0.2  # of leaky ReLUs
_LEAST = 0.03  # standard deviation: narrower ones are taken for this by the likelihood


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published network."""

    width: int = 128
    hearing: int = 256
    """Numbers that speech becomes, and numbers that each layer puts out."""
    dilations: tuple[int, ...] = (1, 2, 4, 1, 2, 4)
    centres: int = 1
    """Normal distributions in the mixture."""
    dropout: float = 0.5
    """Of whole columns of the past, so that speech is listened to."""
    dtype: DTypeLike = jnp.float32

    @property
    def reach(self) -> int:
        """Frames that an output sees, its own among them."""
        return 1 + sum(self.dilations)


class Mixture(NamedTuple):
    """Normal distributions of a pose and its velocity, independent in each number."""

    logit: Float[Array, "*b k"]  # of each one's weight
    mean: Float[Array, "*b k 12"]
    log_deviation: Float[Array, "*b k 12"]


Past = tuple[Float[Array, "b _ w"], ...]  # the last inputs of each layer, as many as its dilation, oldest first


class PoseWaveNet(nn.Module):
    config: Config = Config()

    def setup(self):
        c = self.config
        self.sound = [nn.Dense(c.hearing, dtype=c.dtype) for _ in range(2)]
        self.start = [nn.Dense(c.width, dtype=c.dtype) for _ in range(2)]
        self.forget = nn.Dropout(c.dropout, broadcast_dims=(1,))
        self.layer = [GatedLayer(c.width, c.hearing, c.dtype) for _ in c.dilations]
        self.end = [nn.Dense(c.centres * (1 + 2 * _ROW)) for _ in range(2)]

    def __call__(
        self, speech: Float[Array, "b t s"], before: Float[Array, "b t 12"], *, train: bool = False
    ) -> Mixture:
        """The mixture at each frame, given the poses before it; nothing precedes the first row."""
        heard, x = self._listen(speech), self._begin(self.forget(before, deterministic=not train))
        total = 0.0
        for layer, dilation in zip(self.layer, self.config.dilations, strict=True):
            earlier = jnp.pad(x, ((0, 0), (dilation, 0), (0, 0)))[:, : x.shape[1]]
            x, out = layer(x, earlier, heard)
            total = total + out
        return self._mixture(total)

    def still(self, speech: Float[Array, "b s"], before: Float[Array, "b 12"]) -> Past:
        """The past of a head that has for ever been in one pose while one moment of speech went on."""
        heard, x, past = self._listen(speech), self._begin(before), []
        for layer, dilation in zip(self.layer, self.config.dilations, strict=True):
            past.append(jnp.repeat(x[:, None], dilation, axis=1))
            x, _ = layer(x, x, heard)
        return tuple(past)

    def step(self, past: Past, speech: Float[Array, "b s"], before: Float[Array, "b 12"]) -> tuple[Past, Mixture]:
        """One frame more: its mixture and the past of the next one."""
        heard, x, total, kept = self._listen(speech), self._begin(before), 0.0, []
        for layer, inputs in zip(self.layer, past, strict=True):
            kept.append(jnp.concatenate([inputs[:, 1:], x[:, None]], axis=1))
            x, out = layer(x, inputs[:, 0], heard)
            total = total + out
        return tuple(kept), self._mixture(total)

    def _listen(self, speech):
        return self.sound[1](nn.leaky_relu(self.sound[0](speech), _SLOPE))

    def _begin(self, before):
        x = nn.leaky_relu(self.start[0](before), _SLOPE)
        return nn.leaky_relu(self.start[1](x), _SLOPE)

    def _mixture(self, total) -> Mixture:
        y = self.end[0](nn.leaky_relu(total.astype(jnp.float32), _SLOPE))
        y = self.end[1](nn.leaky_relu(y, _SLOPE))
        weight, mean, negative = jnp.split(y, np.cumsum([1, _ROW]) * self.config.centres, axis=-1)
        shape = (*y.shape[:-1], self.config.centres, _ROW)
        return Mixture(weight, mean.reshape(shape), -negative.reshape(shape))


class GatedLayer(nn.Module):
    """tanh(a) sigmoid(b), where a and b see a moment, an earlier one and the speech."""

    width: int
    out: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, now: Float[Array, "*b w"], earlier: Float[Array, "*b w"], heard: Float[Array, "*b h"]
    ) -> tuple[Float[Array, "*b w"], Float[Array, "*b o"]]:
        """The next layer's input, and what this one puts out."""
        both = jnp.concatenate([earlier, now], axis=-1)

        def dense(name: str, features: int, x: Array) -> Array:
            return nn.Dense(features, dtype=self.dtype, name=name)(x)

        signal = dense("signal", self.width, both) + dense("signal_heard", self.width, heard)
        gate = dense("gate", self.width, both) + dense("gate_heard", self.width, heard)
        x = jnp.tanh(signal) * jax.nn.sigmoid(gate)
        return now + dense("next", self.width, x), dense("out", self.out, x)


def log_likelihood(mixture: Mixture, pose: Float[Array, "*b 12"]) -> Float[Array, "*b"]:
    """Of a pose and its velocity. Deviations count as 0.03 at least, so that a still head is no jackpot.

    With one centre, minus this over 12 is the published loss.
    """
    deviation = jnp.maximum(mixture.log_deviation, np.log(_LEAST))
    away = (pose[..., None, :] - mixture.mean) * jnp.exp(-deviation)
    each = -0.5 * (away**2 + np.log(2 * np.pi)) - deviation
    return jax.nn.logsumexp(jax.nn.log_softmax(mixture.logit) + each.sum(-1), axis=-1)


def draw(rng: Key[Array, ""], mixture: Mixture, scale: Float[Array, ""]) -> Float[Array, "*b 12"]:
    """A pose with its velocity from a centre drawn by weight; deviations are multiplied by `scale`, 0 for the mean."""
    choice, noise = jax.random.split(rng)
    at = jax.random.categorical(choice, mixture.logit)[..., None, None]
    mean, deviation = (jnp.take_along_axis(x, at, axis=-2)[..., 0, :] for x in mixture[1:])
    return mean + scale * jnp.exp(deviation) * jax.random.normal(noise, mean.shape)


def generate(
    model: PoseWaveNet,
    variables: dict,
    rng: Key[Array, ""],
    speech: Float[Array, "b t s"],
    pose: Float[Array, "b 6"],
    scale: float = 0.0,
) -> Float[Array, "b t 6"]:
    """Poses for speech of any length, after a head that was still in `pose`. Pure; one frame is computed at a time.

    `scale` is of the deviations: 0, as published last, follows the mean; an earlier version had 0.3.
    """
    before = jnp.pad(pose, ((0, 0), (0, POSE)))
    past = model.apply(variables, speech[:, 0], before, method="still")

    def frame(state, given):
        (past, before), (moment, number) = state, given
        past, mixture = model.apply(variables, past, moment, before, method="step")
        pose = draw(jax.random.fold_in(rng, number), mixture, jnp.float32(scale))
        return (past, pose), pose

    frames = jnp.arange(speech.shape[1])
    _, poses = jax.lax.scan(frame, (past, before), (jnp.swapaxes(speech, 0, 1), frames))
    return jnp.swapaxes(poses, 0, 1)[..., :POSE]
