"""A transformer decoder that animates: each layer looks at the past, listens to speech and thinks.

x [t, d], speech [t, r, d] --periodic encoding--> layers of: attention to the past, to the frame's own speech, two
linear layers with a ReLU, each added to what it was given and normalised--> [t, d]

It runs over a whole clip (`__call__`) or a frame at a time (`step`), with the same numbers: what a frame sees of the
past is kept in `Memory`, as many frames as that was made for.
"""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from jaxtalk.nn.biased_attention import NOBODY, AlignedAttention, BiasedAttention, Heard, Past, encoding


class Memory(NamedTuple):
    """What is kept of the past: for each layer, and which frame stands where."""

    layers: tuple[Past, ...]
    frames: Int[Array, "n"]


class Layer(nn.Module):
    width: int
    heads: int
    hidden: int
    period: int
    dropout: float
    dtype: DTypeLike

    def setup(self):
        self.attention = BiasedAttention(self.width, self.heads, self.period, self.dropout, self.dtype)
        self.hearing = AlignedAttention(self.width, self.heads, self.dropout, self.dtype)
        self.widen, self.narrow = nn.Dense(self.hidden, dtype=self.dtype), nn.Dense(self.width, dtype=self.dtype)
        self.attention_norm, self.hearing_norm, self.feed_forward_norm = (
            nn.LayerNorm(1e-5, dtype=self.dtype, use_fast_variance=False) for _ in range(3)
        )
        self.drop = nn.Dropout(self.dropout)

    def hear(self, speech: Float[Array, "b t r d"]) -> Heard:
        return self.hearing.hear(speech)

    def __call__(self, x: Float[Array, "b t d"], heard: Heard, *, train: bool = False) -> Float[Array, "b t d"]:
        return self._rest(x, self.attention(x, train=train), heard, train)

    def step(
        self, x: Float[Array, "b d"], heard: Heard, past: Past, frame: Int[Array, ""], frames: Int[Array, "n"],
        *, train: bool = False,
    ) -> tuple[Float[Array, "b d"], Past]:  # fmt: skip
        seen, past = self.attention.step(x, past, frame, frames, train=train)
        return self._rest(x, seen, heard, train), past

    def _rest(self, x, seen, heard, train):
        def drop(y):
            return self.drop(y, deterministic=not train)

        x = self.attention_norm(x + drop(seen))
        x = self.hearing_norm(x + drop(self.hearing(x, heard, train=train)))
        return self.feed_forward_norm(x + drop(self.narrow(drop(nn.relu(self.widen(x))))))


class CausalDecoder(nn.Module):
    width: int
    layers: int
    heads: int
    hidden: int
    period: int
    dropout: float = 0.0  # in training, of encoded inputs, attention weights and what blocks and hidden units give
    dtype: DTypeLike = jnp.float32

    def setup(self):
        c = self
        self.layer = [Layer(c.width, c.heads, c.hidden, c.period, c.dropout, c.dtype) for _ in range(c.layers)]
        self.drop = nn.Dropout(c.dropout)

    def hear(self, speech: Float[Array, "b t r d"]) -> tuple[Heard, ...]:
        """What the layers take of speech, `r` moments a frame."""
        return tuple(layer.hear(speech) for layer in self.layer)

    def __call__(
        self, x: Float[Array, "b t d"], heard: tuple[Heard, ...], *, train: bool = False
    ) -> Float[Array, "b t d"]:
        """All frames of a clip."""
        x = self._placed(x, jnp.arange(x.shape[1]), train)
        for layer, own in zip(self.layer, heard, strict=True):
            x = layer(x, own, train=train)
        return x

    def empty(self, batch: int, frames: int) -> Memory:
        """The past before the first frame, with room for so many frames."""
        nothing = jnp.zeros((batch, frames, self.heads, self.width // self.heads), self.dtype)
        return Memory((Past(nothing, nothing),) * self.layers, jnp.full(frames, NOBODY))

    def step(
        self, x: Float[Array, "b d"], heard: tuple[Heard, ...], memory: Memory, frame: Int[Array, ""],
        *, train: bool = False,
    ) -> tuple[Float[Array, "b d"], Memory]:  # fmt: skip
        """The frame of this number, when all before it went through; `heard`: of this frame, without time's axis."""
        x = self._placed(x[:, None], frame[None], train)[:, 0]
        frames, kept = memory.frames.at[frame % len(memory.frames)].set(frame), []
        for layer, own, past in zip(self.layer, heard, memory.layers, strict=True):
            x, past = layer.step(x, own, past, frame, frames, train=train)
            kept.append(past)
        return x, Memory(tuple(kept), frames)

    def _placed(self, x, frames, train):
        x = x + encoding(frames, self.width, self.period).astype(x.dtype)[None]
        return self.drop(x, deterministic=not train)
