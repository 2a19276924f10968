"""What FaceFormer (CVPR 2022) and CodeTalker (CVPR 2023) have in common: motion so far and speech to a hidden state.

wave --wav2vec 2.0 at the pace of the animation--> [t, r, 768] --linear--> [t, r, d] -+
motion of the frame before [3 v] --linear--> + style [d] --------------------------- causal decoder --> [t, d]

Motion is how far each coordinate is from the neutral face's. Nothing comes before the first frame, which is given the
style alone. (The originals train with a motion of 0 there, so with the bias of its linear layer too, but never animate
with it.)

A style is a row of numbers, one for each person of the training set: 1 for one of them (`style`), or any mix.

Without wav2vec 2.0 (`Config.speech` None) the network is given rows of features of any other ear in the wave's place,
`moments` for each frame.
"""

import dataclasses
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from jaxtalk.models import speech_encoder
from jaxtalk.models.paced_speech import PacedSpeech
from jaxtalk.nn.biased_attention import Heard
from jaxtalk.nn.causal_decoder import CausalDecoder, Memory


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are FaceFormer's for VOCASET; for BIWI: see `BIWI`."""

    coordinates: int = 15069
    """Of a frame: three for each vertex."""
    styles: int = 8
    width: int = 64
    layers: int = 1
    heads: int = 4
    hidden: int = 128
    """Units between the two linear layers of a block."""
    period: int = 30
    """Frames after which positions come again."""
    fps: float = 30.0
    moments: int = 1
    """Of speech that a frame hears. The encoder's own, if they are as many a second as it has; else interpolated."""
    dropout: float = 0.1
    speech: speech_encoder.Config | None = speech_encoder.BASE
    """None: what is given are an ear's rows, not waves."""
    dtype: DTypeLike = jnp.float32


BIWI = Config(coordinates=70110, styles=6, width=128, hidden=256, period=25, fps=25.0, moments=2)


class Speech(NamedTuple):
    """Of the whole clip: what the layers take of each frame's speech, time before batch, so that frames are rows."""

    layers: tuple[Heard, ...]

    @property
    def frames(self) -> int:
        return len(self.layers[0].keys)


class Progress(NamedTuple):
    """Where an animation is."""

    memory: Memory
    frame: Int[Array, ""]  # the next one
    before: Float[Array, "b c"]  # the motion before it


class Rows(nn.Module):
    """In the place of `PacedSpeech` where speech was heard before."""

    moments: int

    def __call__(
        self,
        rows: Float[Array, "b n f"],
        frames: int | None = None,
        lengths: tuple[Int[Array, "b"], Int[Array, "b"]] | None = None,
        *,
        train: bool = False,
    ) -> Float[Array, "b t r f"]:
        frames = rows.shape[1] // self.moments if frames is None else frames
        return rows[:, : frames * self.moments].reshape(len(rows), frames, self.moments, -1)


class MotionDecoder(nn.Module):
    config: Config = Config()

    def setup(self):
        c = self.config
        self.speech = Rows(c.moments) if c.speech is None else PacedSpeech(c.speech, c.fps, c.moments)
        self.hear, self.read = nn.Dense(c.width, dtype=c.dtype), nn.Dense(c.width, dtype=c.dtype)
        self.decoder = CausalDecoder(c.width, c.layers, c.heads, c.hidden, c.period, c.dropout, c.dtype)
        self.styles = self.param("styles", nn.initializers.normal(1.0), (c.styles, c.width), jnp.float32)

    def __call__(
        self,
        sound: Float[Array, "b n *f"],
        motion: Float[Array, "b t c"],
        style: Float[Array, "b s"],
        lengths: tuple[Int[Array, "b"], Int[Array, "b"]] | None = None,
        *,
        train: bool = False,
    ) -> Float[Array, "b t d"]:
        """All frames, each after the true one before it. `lengths`: samples and frames, in a batch of padded clips."""
        speech = self.speech(sound, motion.shape[1], lengths, train=train)
        x = jnp.pad(self.read(motion[:, :-1]), ((0, 0), (1, 0), (0, 0))) + self._styled(style)[:, None]
        return self.decoder(x, self.decoder.hear(self.hear(speech)), train=train)

    def listen(self, sound: Float[Array, "b n *f"], frames: int | None = None, *, train: bool = False) -> Speech:
        """Everything of speech that `step` needs."""
        return self.attend(self.speech(sound, frames, train=train))

    def attend(self, speech: Float[Array, "b t r e"]) -> Speech:
        """The same from the encoder's features at the animation's pace, for example of a chunk."""
        heard = self.decoder.hear(self.hear(speech))
        return Speech(jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), heard))

    def start(self, batch: int, frames: int) -> Progress:
        """Before the first frame; so many frames will be seen of the past, 600 at most in the originals."""
        before = jnp.zeros((batch, self.config.coordinates))
        return Progress(self.decoder.empty(batch, frames), jnp.int32(0), before)

    def step(
        self, progress: Progress, heard: tuple[Heard, ...], style: Float[Array, "b s"], *, train: bool = False
    ) -> tuple[Progress, Float[Array, "b d"]]:
        """One frame more, from a row of `Speech.layers`; its motion is to be put in the progress (`before`)."""
        x = jnp.where(progress.frame > 0, self.read(progress.before), 0) + self._styled(style)
        x, memory = self.decoder.step(x, heard, progress.memory, progress.frame, train=train)
        return Progress(memory, progress.frame + 1, progress.before), x

    def _styled(self, style) -> Float[Array, "b d"]:
        return (style @ self.styles).astype(self.config.dtype)


def style(config: Config, numbers: Int[Array, "b"]) -> Float[Array, "b s"]:
    """The styles of the people of these numbers. Mixes are weighted sums of such rows."""
    return jax.nn.one_hot(numbers, config.styles)
