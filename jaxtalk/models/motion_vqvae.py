"""MotionVqvae: a face's motion as codes, CodeTalker's motion prior (Xing et al., CVPR 2023, sec. 3.2).

motion [t, 3 v] --linear--> [t, d] --smooth over 5 frames, transformer--> features [t, p, w] --nearest codes-->
    [t, p, w] --smooth over 5 frames, transformer--> [t, d] --linear--> motion [t, 3 v]

A row of motion is how far each coordinate of each vertex is from the neutral face's. A frame is p codes of w numbers;
the published networks have p w = d, and BIWI's a linear layer between them (`Config.projected`).

"Smooth" is a convolution, a leaky ReLU and a norm of each channel over all time. That norm and the transformers see
the whole clip, both ways. A clip alone is what it is in a padded batch, though, since each clip's own frames alone are
seen. Decoding the frames so far again and again, while codes are still being predicted, is `start` and `follow`.
"""

import dataclasses
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from jaxtalk.models.codebook import Codebook, Coded, straight_through
from jaxtalk.nn.conv import Conv

_TAPS = 5
_REACH = _TAPS // 2  # frames that a smoothed one sees to either side


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published network of VOCASET; BIWI's: see `BIWI`."""

    coordinates: int = 15069
    """Of a frame: three for each vertex."""
    width: int = 1024
    layers: int = 6
    """Of each of the two transformers."""
    heads: int = 8
    hidden: int = 1536
    codes: int = 256
    parts: int = 16
    """Codes of a frame."""
    code_width: int = 64
    projected: bool = False
    """Linear layers between frames and their parts, which need not be as wide; and no bias at the very end."""
    published_scale: bool = False
    """Products in attention over sqrt(width), whatever the heads, not over sqrt(width / heads)."""
    dropout: float = 0.1
    """In training, of what the transformers are given."""
    dtype: DTypeLike = jnp.float32

    @property
    def features(self) -> int:
        """Numbers that a frame's codes are."""
        return self.parts * self.code_width


BIWI = Config(coordinates=70110, parts=8, code_width=128, projected=True)


class Moments(NamedTuple):
    """Of each channel over some frames: their number, mean and sum of squared deviations."""

    count: Int[Array, "b"]
    mean: Float[Array, "b d"]
    square: Float[Array, "b d"]

    @classmethod
    def of(cls, x: Float[Array, "b t d"], own: Bool[Array, "b t"]) -> "Moments":
        """Over a clip's own frames; 0 of none."""
        x, count = x.astype(jnp.float32), own.sum(1)
        mean = jnp.where(own[..., None], x, 0).sum(1) / jnp.maximum(count, 1)[:, None]
        return cls(count, mean, (jnp.where(own[..., None], x - mean[:, None], 0) ** 2).sum(1))

    def merge(self, other: "Moments") -> "Moments":
        """Over the frames of both."""
        count = self.count + other.count
        share = (other.count / jnp.maximum(count, 1))[:, None]
        shift = other.mean - self.mean
        square = self.square + other.square + shift**2 * share * self.count[:, None]
        return Moments(count, self.mean + shift * share, square)


class Decoding(NamedTuple):
    """The newest codes while a clip is being predicted, and what the norm needs of the frames before the window."""

    codes: Float[Array, "b n f"]  # oldest first: of the window and 3 frames before it
    before: Moments

    def wider(self, window: int) -> "Decoding":
        """For a larger window from now on; exact while no frame has left the window."""
        missing = window + _REACH + 1 - self.codes.shape[1]
        return Decoding(jnp.pad(self.codes, ((0, 0), (missing, 0), (0, 0)), mode="edge"), self.before)


class MotionVqvae(nn.Module):
    config: Config = Config()

    def setup(self):
        c = self.config
        self.encoder, self.decoder = Encoder(c), Decoder(c)
        self.codebook = Codebook(c.codes, c.code_width)

    def __call__(
        self, motion: Float[Array, "b t c"], lengths: Int[Array, "b"] | None = None, *, train: bool = False
    ) -> tuple[Float[Array, "b t c"], Float[Array, "b t p w"], Coded]:
        """The motion again; features, and the codes that stood in for them (with gradients for `losses.codebook`)."""
        features = self.encode(motion, lengths, train=train)
        coded = self.codebook(features)
        codes = straight_through(features, coded.codes).reshape(*motion.shape[:2], -1)
        return self.decode(codes, lengths, train=train), features, coded

    def encode(
        self, motion: Float[Array, "b t c"], lengths: Int[Array, "b"] | None = None, *, train: bool = False
    ) -> Float[Array, "b t p w"]:
        """Features, not yet codes. `lengths`: frames of each clip; all, where it is not given."""
        x = self.encoder(motion, _lengths(lengths, motion), train)
        return x.reshape(*x.shape[:2], self.config.parts, -1)

    def quantise(self, features: Float[Array, "b *t f"]) -> tuple[Float[Array, "b *t f"], Coded]:
        """Codes in the place of features, with the features' gradients, as `decode` takes them."""
        parts = features.reshape(*features.shape[:-1], self.config.parts, -1)
        coded = self.codebook(parts)
        return straight_through(parts, coded.codes).reshape(features.shape), coded

    def decode(
        self, codes: Float[Array, "b t f"], lengths: Int[Array, "b"] | None = None, *, train: bool = False
    ) -> Float[Array, "b t c"]:
        return self.decoder(codes, _lengths(lengths, codes), train)

    def start(self, batch: int, window: int) -> Decoding:
        """Before the first frame; a window of that many frames, two at least, will be decoded together."""
        nothing = jnp.zeros((batch, self.config.width))
        before = Moments(jnp.zeros(batch, jnp.int32), nothing, nothing)
        return Decoding(jnp.zeros((batch, window + _REACH + 1, self.config.features), self.config.dtype), before)

    def follow(
        self, state: Decoding, codes: Float[Array, "b f"], frame: Int[Array, ""], rows: tuple[int, ...] = (-1,)
    ) -> tuple[Decoding, Float[Array, "b r c"]]:
        """With the codes of frame number `frame`, the frames `rows` of the window as if the clip ended there.

        Row -1 is the newest. While the clip is no longer than the window this is what `decode` gives. Later the norm
        still sees all frames so far, as they were when they left the window, but attention sees the window only.
        """
        newest = codes[:, None]
        moved = jnp.concatenate([state.codes[:, 1:], newest], axis=1)
        first = jnp.broadcast_to(newest, moved.shape)  # before its start a clip goes on as it starts
        state = Decoding(jnp.where(frame > 0, moved, first), state.before)
        return self.decoder.follow(state, frame, rows)

    def look(self, state: Decoding, frame: Int[Array, ""], rows: tuple[int, ...]) -> Float[Array, "b r c"]:
        """More rows of a window whose newest frame is of that number, after `follow`."""
        return self.decoder.follow(state, frame, rows, moved=False)[1]


class Encoder(nn.Module):
    config: Config

    @nn.compact
    def __call__(self, motion: Float[Array, "b t c"], lengths: Int[Array, "b"], train: bool) -> Float[Array, "b t f"]:
        c = self.config
        x = nn.leaky_relu(nn.Dense(c.width, dtype=c.dtype, name="read")(motion), 0.2)
        x = Smooth(c, name="smooth")(_held(x, lengths))
        own = _own(lengths, motion)
        x = nn.Dense(c.width, dtype=c.dtype, name="embed")(normalise(x, Moments.of(x, own)))
        x = Transformer(c, name="transformer")(x, own, train=train)
        return nn.Dense(c.features, dtype=c.dtype, name="divide")(x) if c.projected else x


class Decoder(nn.Module):
    config: Config

    def setup(self):
        c = self.config
        self.unite = nn.Dense(c.width, dtype=c.dtype) if c.projected else lambda x: x
        self.smooth, self.embed = Smooth(c), nn.Dense(c.width, dtype=c.dtype)
        self.transformer = Transformer(c)
        self.write = nn.Dense(c.coordinates, use_bias=not c.projected)

    def __call__(self, codes: Float[Array, "b t f"], lengths: Int[Array, "b"], train: bool) -> Float[Array, "b t c"]:
        own = _own(lengths, codes)
        x = self.smooth(_held(self.unite(codes), lengths))
        return self._draw(x, Moments.of(x, own), own, None, train)

    def follow(
        self, state: Decoding, frame: Int[Array, ""], rows: tuple[int, ...], moved: bool = True
    ) -> tuple[Decoding, Float[Array, "b r c"]]:
        """`moved`: whether the window has just moved by a frame, which has left it and joins those before."""
        codes = state.codes
        window = codes.shape[1] - _REACH - 1
        x = self.smooth(self.unite(jnp.pad(codes, ((0, 0), (0, _REACH), (0, 0)), mode="edge")))
        own = jnp.broadcast_to((frame - window + jnp.arange(window + 1) >= 0)[None], (len(codes), window + 1))
        before = state.before
        if moved:
            before = before.merge(Moments.of(x[:, :1], own[:, :1]))
        x, own = x[:, 1:], own[:, 1:]
        return Decoding(codes, before), self._draw(x, before.merge(Moments.of(x, own)), own, rows, False)

    def _draw(self, x, moments, own, rows, train) -> Float[Array, "b r c"]:
        x = self.embed(normalise(x, moments))
        return self.write(self.transformer(x, own, rows, train=train).astype(jnp.float32))


class Smooth(nn.Module):
    """The part before the norm: a frame for each that has two to either side."""

    config: Config

    @nn.compact
    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n-4 d"]:
        x = Conv(self.config.width, (_TAPS,), dtype=self.config.dtype, name="conv")(x)
        return nn.leaky_relu(x, 0.2)


class Transformer(nn.Module):
    """Layers normalised before each block, behind a position that is the same for all frames.

    The published networks look their sinusoids up along the batch's axis, so that every frame of the first clip, the
    only one they were trained with, has place 0: sines are 0, cosines 1. Frames still know from the convolution what
    is next to them, and a network that knows no place works on clips of any length.
    """

    config: Config

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b t d"],
        own: Bool[Array, "b t"],
        rows: tuple[int, ...] | None = None,
        *,
        train: bool = False,
    ) -> Float[Array, "b r d"]:
        """`rows`: the frames that are needed, all if not given."""
        c = self.config
        x = x + jnp.asarray(np.arange(c.width) % 2, x.dtype)[None, None]
        x = nn.Dropout(c.dropout, deterministic=not train)(x)
        for k in range(c.layers):
            last = k == c.layers - 1
            x = Layer(c, name=f"layer_{k}")(x, own, rows if last else None)
        return x


class Layer(nn.Module):
    config: Config

    @nn.compact
    def __call__(
        self, x: Float[Array, "b t d"], own: Bool[Array, "b t"], rows: tuple[int, ...] | None
    ) -> Float[Array, "b r d"]:
        c = self.config

        def norm(name: str) -> nn.LayerNorm:
            return nn.LayerNorm(1e-5, dtype=c.dtype, use_fast_variance=False, name=name)

        normed = norm("attention_norm")(x)
        if rows is not None:
            x = x[:, jnp.array(rows)]
        asking = normed if rows is None else normed[:, jnp.array(rows)]
        x = x + Attention(c, name="attention")(asking, normed, own)
        hidden = nn.Dense(c.hidden, dtype=c.dtype, name="widen")(norm("feed_forward_norm")(x))
        return x + nn.Dense(c.width, dtype=c.dtype, name="narrow")(nn.gelu(hidden, approximate=True))


class Attention(nn.Module):
    config: Config

    @nn.compact
    def __call__(
        self, asking: Float[Array, "b r d"], x: Float[Array, "b t d"], own: Bool[Array, "b t"]
    ) -> Float[Array, "b r d"]:
        c = self.config

        def heads(name: str, x: Array) -> Float[Array, "b t h k"]:
            y = nn.Dense(c.width, use_bias=False, dtype=c.dtype, name=name)(x)
            return y.reshape(*y.shape[:2], c.heads, -1)

        query, key, value = heads("query", asking), heads("key", x), heads("value", x)
        scores = jnp.einsum("bqhc,bkhc->bhqk", query, key).astype(jnp.float32)
        scores = scores / np.sqrt(c.width if c.published_scale else c.width // c.heads)
        weights = nn.softmax(jnp.where(own[:, None, None], scores, jnp.finfo(jnp.float32).min)).astype(c.dtype)
        seen = jnp.einsum("bhqk,bkhc->bqhc", weights, value)
        return nn.Dense(c.width, dtype=c.dtype, name="out")(seen.reshape(asking.shape))


def normalise(x: Float[Array, "b t d"], moments: Moments) -> Float[Array, "b t d"]:
    """Each channel with mean 0 and variance 1 over those frames (instance norm)."""
    variance = moments.square / jnp.maximum(moments.count, 1)[:, None]
    y = (x.astype(jnp.float32) - moments.mean[:, None]) / jnp.sqrt(variance + 1e-5)[:, None]
    return y.astype(x.dtype)


def _held(x: Float[Array, "b t d"], lengths: Int[Array, "b"]) -> Float[Array, "b t+4 d"]:
    """A clip with its first and last own frame going on to either side."""
    frames = jnp.arange(-_REACH, x.shape[1] + _REACH)[None]
    at = jnp.clip(frames, 0, jnp.maximum(lengths, 1)[:, None] - 1)
    return jnp.take_along_axis(x, at[..., None], axis=1)


def _lengths(lengths: Int[Array, "b"] | None, x: Float[Array, "b t _"]) -> Int[Array, "b"]:
    return jnp.full(len(x), x.shape[1]) if lengths is None else lengths


def _own(lengths: Int[Array, "b"], x: Float[Array, "b t _"]) -> Bool[Array, "b t"]:
    return jnp.arange(x.shape[1])[None] < lengths[:, None]
