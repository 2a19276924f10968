"""CodeTalker: speech to the motion of a face's vertices, by codes of a motion prior (Xing et al., CVPR 2023).

speech, style, motion so far --`MotionDecoder`--> [t, d] --linear--> features [t, p w] --the prior's nearest codes,
its decoder--> motion [t, 3 v]

The prior, `MotionVqvae`, was trained before and stays as it is. Its decoder sees all of time, so the motion that is fed
back changes with every frame that is added. Two ways to animate (`generate`):

- exact, as published: each frame is fed back from decoding all frames so far together. The original computes every
  frame of every network anew for each; here the causal decoder keeps its past, and of the prior's decoding only what
  the newest frame needs is computed, in buffers that grow a few times.
- with a `window`: only the newest frames are decoded together, in the same time for each however long the clip is.
  Their norm still knows all frames so far; only attention is cut off. At the end everything is decoded together once,
  or, with a `delay`, each frame when that many more are known: so sound may come in chunks (`advance`) for ever.
  Windows of 16 and of 32 changed 3% and 0.7% of the codes of 60 frames, at the published size with random weights.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxtalk.models import motion_decoder
from jaxtalk.models.codebook import Coded
from jaxtalk.models.motion_decoder import MotionDecoder, Progress, Speech
from jaxtalk.models.motion_vqvae import Decoding, MotionVqvae

_SMALLEST = 32  # frames of the first buffer of exact decoding
_GROWTH = 1.5  # from one buffer to the next


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published network of VOCASET."""

    decoder: motion_decoder.Config = motion_decoder.Config(width=1024, layers=6, hidden=2048)
    features: int = 1024
    """Of a frame, as the prior has them."""
    codebook: bool = True
    """Else features go to the prior's decoder as they are (the paper's ablation)."""


class CodeTalker(nn.Module):
    config: Config = Config()

    def setup(self):
        self.decoder = MotionDecoder(self.config.decoder)
        start = nn.initializers.zeros  # so that training begins with one code for everything
        self.features = nn.Dense(self.config.features, use_bias=False, kernel_init=start)

    def __call__(
        self,
        sound: Float[Array, "b n *f"],
        motion: Float[Array, "b t c"],
        style: Float[Array, "b s"],
        lengths: tuple[Int[Array, "b"], Int[Array, "b"]] | None = None,
        *,
        train: bool = False,
    ) -> Float[Array, "b t f"]:
        """Features of every frame, each after the true motion before it; see `MotionDecoder`."""
        return self.features(self.decoder(sound, motion, style, lengths, train=train))

    def listen(self, sound: Float[Array, "b n *f"], frames: int | None = None) -> Speech:
        return self.decoder.listen(sound, frames)

    def attend(self, speech: Float[Array, "b t r e"]) -> Speech:
        return self.decoder.attend(speech)

    def start(self, batch: int, frames: int) -> Progress:
        return self.decoder.start(batch, frames)

    def step(self, progress: Progress, heard: Any, style: Float[Array, "b s"]) -> tuple[Progress, Float[Array, "b f"]]:
        progress, x = self.decoder.step(progress, heard, style)
        return progress, self.features(x)


class Variables(NamedTuple):
    predictor: dict  # of `CodeTalker`
    prior: dict  # of `MotionVqvae`


class Predicted(NamedTuple):
    motion: Float[Array, "b t c"]
    features: Float[Array, "b t f"]
    coded: Coded | None  # of the features


def predict(
    model: CodeTalker,
    prior: MotionVqvae,
    variables: Variables,
    sound: Float[Array, "b n *f"],
    motion: Float[Array, "b t c"],
    style: Float[Array, "b s"],
    lengths: tuple[Int[Array, "b"], Int[Array, "b"]] | None = None,
    rngs: dict | None = None,
) -> Predicted:
    """All frames, each after the true one before it: what training compares. With `rngs`, things drop out.

    The prior gets no gradients. `losses.codebook.squared_error` of the motion and `commitment` of the features to the
    truth's codes, `truth_codes`, are the published loss.
    """
    train = rngs is not None
    features = model.apply(variables.predictor, sound, motion, style, lengths, train=train, rngs=rngs)
    fixed = jax.lax.stop_gradient(variables.prior)
    codes, coded = quantise(model, prior, fixed, features)
    frames = None if lengths is None else lengths[1]
    return Predicted(prior.apply(fixed, codes, frames, method="decode"), features, coded)


def quantise(
    model: CodeTalker, prior: MotionVqvae, variables: dict, features: Float[Array, "b *t f"]
) -> tuple[Float[Array, "b *t f"], Coded | None]:
    """What the prior decodes: codes or, without a codebook, the features. `variables`: of the prior."""
    return prior.apply(variables, features, method="quantise") if model.config.codebook else (features, None)


def truth_codes(
    prior: MotionVqvae,
    variables: dict,
    motion: Float[Array, "b t c"],
    lengths: Int[Array, "b"] | None = None,
    codebook: bool = True,
) -> Float[Array, "b t f"]:
    """The codes of true motion, which predicted features are to be near; without a codebook, its features."""
    features = prior.apply(variables, motion, lengths, method="encode").reshape(*motion.shape[:2], -1)
    if codebook:
        coded = prior.apply(variables, features, method="quantise")[1]
        features = coded.codes.reshape(features.shape)
    return jax.lax.stop_gradient(features)


class Animation(NamedTuple):
    motion: Float[Array, "b t c"]
    codes: Int[Array, "b t p"] | None  # which


class State(NamedTuple):
    """Where an animation is; what `advance` takes and gives."""

    progress: Progress
    decoding: Decoding


def generate(
    model: CodeTalker,
    prior: MotionVqvae,
    variables: Variables,
    speech: Speech,
    style: Float[Array, "b s"],
    window: int | None = None,
    delay: int | None = None,
    past: int | None = None,
    lengths: Int[Array, "b"] | None = None,
) -> Animation:
    """Animates a clip. Pure; all sizes are static.

    Args:
        speech: from `CodeTalker.listen` on its own variables.
        window: frames that are decoded together to be fed back, two at least; all so far, where it is not given.
        delay: frames that are waited for before one is decoded, fewer than a window; all, where it is not given.
        past: frames that the causal decoder sees; all, where it is not given.
        lengths: frames of each clip in a batch of padded ones, for decoding them at the end.
    """
    if (window is not None and window < 2) or (delay is not None and delay >= (window or 0)):
        raise ValueError(
            f"a window of {window} frames with a delay of {delay}: give 2 at least, and more than the delay"
        )
    ends = [window] if window else _buffers(speech.frames)
    run = functools.partial(advance, model, prior, variables, style=style, delay=delay or 0)
    state, made, begin = start(model, prior, variables, len(style), ends[0], past or speech.frames), [], 0
    for end in ends:
        stop = speech.frames if window else end
        state = State(state.progress, state.decoding.wider(end))
        state, part = run(state, Speech(jax.tree.map(lambda x, a=begin, b=stop: x[a:b], speech.layers)))
        made.append(part)
        begin = stop
    motion, codes, indices = jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=1), *made)
    if delay is None:
        motion = prior.apply(variables.prior, codes, lengths, method="decode")
    elif delay:
        motion = jnp.concatenate([motion[:, delay:], rest(prior, variables, state, delay)], axis=1)
        motion = motion[:, -speech.frames :]
    return Animation(motion, indices)


def start(model: CodeTalker, prior: MotionVqvae, variables: Variables, batch: int, window: int, past: int) -> State:
    """Before the first frame. `past`: frames that the causal decoder will see."""
    progress = model.apply(variables.predictor, batch, past, method="start")
    return State(progress, prior.apply(variables.prior, batch, window, method="start"))


def advance(
    model: CodeTalker,
    prior: MotionVqvae,
    variables: Variables,
    state: State,
    speech: Speech,
    style: Float[Array, "b s"],
    delay: int = 0,
) -> tuple[State, tuple[Float[Array, "b t c"], Float[Array, "b t f"], Int[Array, "b t p"] | None]]:
    """The frames of a chunk of speech: motion, codes and which codes.

    The motion is that of `delay` frames before each. Before the start of the clip it means nothing, and the last frames
    come from `rest`.
    """
    rows = (-1 - delay, -1) if delay else (-1,)

    def frame(state: State, heard):
        progress, features = model.apply(variables.predictor, state.progress, heard, style, method="step")
        codes, coded = quantise(model, prior, variables.prior, features)
        decoding, motion = prior.apply(
            variables.prior, state.decoding, codes, state.progress.frame, rows, method="follow"
        )
        which = coded.indices if coded else None
        return State(progress._replace(before=motion[:, -1]), decoding), (motion[:, 0], codes, which)

    state, made = jax.lax.scan(frame, state, speech.layers)
    return state, jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), made)


def rest(prior: MotionVqvae, variables: Variables, state: State, delay: int) -> Float[Array, "b delay c"]:
    """The motion of the last frames, when there is no more speech."""
    rows = tuple(range(-delay, 0))
    return prior.apply(variables.prior, state.decoding, state.progress.frame - 1, rows, method="look")


def _buffers(frames: int) -> list[int]:
    """Sizes of growing buffers, up to all frames."""
    sizes = [_SMALLEST]
    while sizes[-1] < frames:
        sizes.append(int(sizes[-1] * _GROWTH))
    return [*sizes[:-1], frames]
