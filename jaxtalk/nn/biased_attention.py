"""Attention of an animation that is made frame by frame: to its own past by periods, to speech at its own time.

From FaceFormer (Fan et al., CVPR 2022, sec. 3.2), which CodeTalker took over. Positions repeat with a period and every
period further back weighs less, by a straight line as in ALiBi (Press et al., 2022), so a clip may be of any length:
encodings and biases are computed where the originals have tables of 600 frames. A frame hears the moments of speech
that fall into it and no others. So attention to speech is over `r` moments, one or two, and costs the same for every
frame; with one, what it asks does not matter, and its query and key are only there for published weights.

A frame more costs attention to what is kept of the past (`Past`), not a run over all of it. Where fewer frames are kept
than went by, the newest ones are.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

NOBODY = -1  # the frame of a place that holds none yet


class Past(NamedTuple):
    """Keys and values of the frames before, each where its number modulo n says."""

    keys: Float[Array, "b n h k"]
    values: Float[Array, "b n h k"]


class Heard(NamedTuple):
    """Keys and values of the moments of speech in each frame, for one layer."""

    keys: Float[Array, "b *t r d"]
    values: Float[Array, "b *t r d"]


def encoding(frames: Int[Array, "t"], width: int, period: int) -> Float[Array, "t width"]:
    """Sinusoids of a frame's place in its period: sine and cosine in turn, wavelengths from 2 pi to 20000 pi frames."""
    rate = jnp.exp(jnp.arange(0, width, 2) * (-np.log(10000.0) / width))
    angle = (frames % period)[:, None] * rate[None]
    return jnp.stack([jnp.sin(angle), jnp.cos(angle)], axis=-1).reshape(len(frames), -1)[:, :width]


def slopes(heads: int) -> Float[np.ndarray, "heads"]:
    """How much a period further back weighs less, for each head: 2^-8/h, 2^-16/h, ... for h heads, a power of two.

    Other numbers of heads have those of the next smaller power, then every other one of the next larger.
    """
    power = 2 ** int(np.log2(heads))
    first = 2.0 ** (-8 / power * np.arange(1, power + 1))
    between = 2.0 ** (-4 / power * np.arange(1, 2 * power, 2))
    return np.concatenate([first, between[: heads - power]])


def bias(queries: Int[Array, "q"], keys: Int[Array, "k"], heads: int, period: int) -> Float[Array, "heads q k"]:
    """What is added to attention of frames to frames: minus slope times whole periods between; -inf to later ones."""
    apart = queries[:, None] - keys[None]
    fall = -jnp.asarray(slopes(heads), jnp.float32)[:, None, None] * (apart // period)[None]
    return jnp.where(((apart >= 0) & (keys >= 0)[None])[None], fall, -jnp.inf)


class BiasedAttention(nn.Module):
    """A frame looks at itself and the frames before it."""

    width: int
    heads: int
    period: int
    dropout: float = 0.0  # of attention weights, in training
    dtype: DTypeLike = jnp.float32

    def setup(self):
        self.query, self.key, self.value, self.out = (nn.Dense(self.width, dtype=self.dtype) for _ in range(4))
        self.drop = nn.Dropout(self.dropout)

    def __call__(self, x: Float[Array, "b t d"], *, train: bool = False) -> Float[Array, "b t d"]:
        """All frames at once."""
        frames = jnp.arange(x.shape[1])
        mask = bias(frames, frames, self.heads, self.period)
        return self._attend(self._split(self.query(x)), *self._kept(x), mask, train)

    def step(
        self, x: Float[Array, "b d"], past: Past, frame: Int[Array, ""], frames: Int[Array, "n"], *, train: bool = False
    ) -> tuple[Float[Array, "b d"], Past]:
        """One frame more, of number `frame`; `frames`: the number that each place of the past holds, this one's too."""
        x, place = x[:, None], frame % len(frames)
        past = Past(*(held.at[:, place].set(new[:, 0]) for held, new in zip(past, self._kept(x), strict=True)))
        mask = bias(frame[None], frames, self.heads, self.period)
        return self._attend(self._split(self.query(x)), *past, mask, train)[:, 0], past

    def _kept(self, x: Float[Array, "b t d"]) -> Past:
        return Past(self._split(self.key(x)), self._split(self.value(x)))

    def _split(self, x: Float[Array, "b t d"]) -> Float[Array, "b t h k"]:
        return x.reshape(*x.shape[:2], self.heads, -1)

    def _attend(self, query, keys, values, mask, train) -> Float[Array, "b t d"]:
        scores = jnp.einsum("bqhc,bkhc->bhqk", query, keys).astype(jnp.float32) / np.sqrt(query.shape[-1])
        weights = self.drop(jax.nn.softmax(scores + mask[None]), deterministic=not train).astype(self.dtype)
        seen = jnp.einsum("bhqk,bkhc->bqhc", weights, values)
        return self.out(seen.reshape(*seen.shape[:2], self.width))


class AlignedAttention(nn.Module):
    """A frame looks at the moments of speech that fall into it."""

    width: int
    heads: int
    dropout: float = 0.0  # of attention weights, in training
    dtype: DTypeLike = jnp.float32

    def setup(self):
        self.query, self.key, self.value, self.out = (nn.Dense(self.width, dtype=self.dtype) for _ in range(4))
        self.drop = nn.Dropout(self.dropout)

    def hear(self, speech: Float[Array, "b t r d"]) -> Heard:
        """What does not depend on the animation, so that it is computed for many frames at once."""
        return Heard(self.key(speech), self.value(speech))

    def __call__(self, x: Float[Array, "b *t d"], heard: Heard, *, train: bool = False) -> Float[Array, "b *t d"]:
        query, keys, values = (y.reshape(*y.shape[:-1], self.heads, -1) for y in (self.query(x), *heard))
        if keys.shape[-3] == 1:  # the only one has all the weight
            weights = jnp.ones((*query.shape[:-1], 1), jnp.float32)
        else:
            scores = jnp.einsum("...hc,...rhc->...hr", query, keys).astype(jnp.float32)
            weights = jax.nn.softmax(scores / np.sqrt(query.shape[-1]))
        weights = self.drop(weights, deterministic=not train).astype(self.dtype)
        seen = jnp.einsum("...hr,...rhc->...hc", weights, values)
        return self.out(seen.reshape(x.shape))
