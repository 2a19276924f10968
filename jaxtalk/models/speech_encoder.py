"""wav2vec 2.0 (Baevski et al., 2020) and HuBERT (Hsu et al., 2021): speech to features that know their context.

wave [n], 16 kHz --feature encoder: 7 convolutions--> [t, 512], 50 a second: t = (n - 80) // 320
                 --norm, linear--> [t, d] --+ positional convolution--> transformer --> [t, d]

Both are one network and differ in how they were trained. `BASE` normalises once, each channel of the first convolution
over time, and behind each transformer block; `LARGE` normalises each frame behind every convolution, and before each
block. A batch of utterances of several lengths gives what each would give alone: statistics over time and attention
see only an utterance's own frames, and features beyond its end are 0.

On a mesh (`train.parallel.on`) activations stay split along the batch and, within blocks, along heads or hidden units.
Where it splits time, too, each chip has the queries of its own frames and the keys and values of all. Convolutions go
by parts (`nn/time_parts.py`); those of `BASE`, whose statistics are of all time, each chip computes for all of it.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from jaxtalk.errors import InputError
from jaxtalk.nn import time_parts
from jaxtalk.nn.conv import Conv, convolve

RATE = 16000  # samples a second


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are wav2vec 2.0 Base and HuBERT Base."""

    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 3072  # of the feed-forward blocks
    conv_widths: tuple[int, ...] = (512,) * 7
    conv_windows: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    conv_strides: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
    conv_bias: bool = False
    conv_norm: Literal["group", "layer"] = "group"
    feature_norm: bool = True  # before the projection; a few HuBERT descendants lack it
    position_window: int = 128  # frames
    position_groups: int = 16
    norm_first: bool = False  # layer norm before each block ("stable layer norm") or behind it
    epsilon: float = 1e-5  # of all norms
    dropout: float = 0.1  # in training, as are the next three
    attention_dropout: float = 0.0  # of attention weights
    layer_drop: float = 0.0  # chance that a transformer layer is left out of a step (LayerDrop; Fan et al., 2020)
    conv_gradient: float = 1.0  # factor on the gradient of the feature encoder
    normalise: bool = True  # whether waves were given through `normalise` in training; never done inside
    attention: Literal["xla", "cudnn"] = "xla"  # cudnn: on NVIDIA GPUs in bfloat16, without forward mode
    remat: Literal["nothing", "between", "layers"] = "nothing"  # what the gradient computes again; see `_KEPT`
    scan: bool = False  # transformer layers as one loop; see `_loop`
    dtype: DTypeLike = jnp.float32

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Config":
        """From JSON values, as `io.weights` keeps them."""
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})

    @property
    def hop(self) -> int:
        """Samples between frames: 320, which is 20 ms."""
        return math.prod(self.conv_strides)

    @property
    def reach(self) -> int:
        """Samples that a frame of the feature encoder hears: 400, which is 25 ms."""
        reach = 1
        for window, stride in zip(self.conv_windows[::-1], self.conv_strides[::-1], strict=True):
            reach = stride * (reach - 1) + window
        return reach

    def frames(self, samples):
        """How many frames so many samples give: an int or an array."""
        frames = (samples - self.reach) // self.hop + 1
        return frames * (frames > 0)


# What of each transformer layer is kept for its gradient, by `Config.remat`: everything; what its matrix products gave,
# so that attention weights, norms and gelu are computed again between them; only what the layer was given. Of a frame
# of LARGE in bfloat16, that is about 100 + 3 t, 20 and 2 kB a layer for t frames in its utterance.
_KEPT = {
    "between": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
    "layers": jax.checkpoint_policies.nothing_saveable,
}

BASE = Config()
LARGE = Config(width=1024, layers=24, heads=16, hidden=4096, conv_bias=True, conv_norm="layer", norm_first=True)


def normalise(wave: Float[Array, "b n"], lengths: Int[Array, "b"] | None = None) -> Float[Array, "b n"]:
    """Each utterance with mean 0 and variance 1 over its own samples, and 0 beyond its end."""
    own = _own(lengths, wave)
    mean, variance = (value[..., 0] for value in moments(wave[..., None], own))
    return jnp.where(own, (wave - mean) / jnp.sqrt(variance + 1e-7), 0.0)


class FeatureEncoder(nn.Module):
    """From samples to frames, each of which hears 25 ms."""

    config: Config

    @nn.compact
    def __call__(
        self,
        wave: Float[Array, "b n"],
        lengths: Int[Array, "b"] | None = None,
        statistics: tuple[Float[Array, "b c"], Float[Array, "b c"]] | None = None,
    ) -> Float[Array, "b t c"]:
        """`statistics`: mean and variance of the first convolution over a longer utterance of which `wave` is a part.

        They take the place of those over `wave` where `config.conv_norm` is "group".
        """
        c = self.config
        if wave.shape[1] < c.reach:
            raise InputError(f"{wave.shape[1]} samples are too short for speech; give at least {c.reach} at {RATE} Hz")
        lengths = jnp.full(wave.shape[0], wave.shape[1]) if lengths is None else lengths
        apart = c.conv_norm == "layer"  # statistics over time need all of it
        x, rows = (time_parts.cut(wave[..., None], c.reach, c.hop), "part") if apart else (wave[..., None], "batch")
        for i, (width, window, stride) in enumerate(zip(c.conv_widths, c.conv_windows, c.conv_strides, strict=True)):
            x = Conv(width, (window,), stride, bias=c.conv_bias, dtype=c.dtype, name=f"conv_{i}")(x)
            lengths = (lengths - window) // stride + 1
            if c.conv_norm == "layer":
                x = _layer_norm(c, f"norm_{i}")(x)
            elif i == 0:
                x = ChannelNorm(c.epsilon, name="norm_0")(x, _own(lengths, x[..., 0]), statistics).astype(c.dtype)
            x = nn.with_logical_constraint(nn.gelu(x, approximate=False), (rows, None, "channels"))
        return time_parts.join(x) if apart else x


class ChannelNorm(nn.Module):
    """Group norm with one channel a group: each channel with mean 0 and variance 1 over an utterance's time."""

    epsilon: float

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b t c"],
        own: Bool[Array, "b t"],
        statistics: tuple[Float[Array, "b c"], Float[Array, "b c"]] | None = None,
    ) -> Float[Array, "b t c"]:
        """`own`: which frames belong to the utterance; `statistics` to use instead of theirs."""
        scale = self.param("scale", nn.initializers.ones, x.shape[-1:], jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, x.shape[-1:], jnp.float32)
        x = x.astype(jnp.float32)
        mean, variance = moments(x, own) if statistics is None else (value[:, None] for value in statistics)
        factor = scale[None, None] * jax.lax.rsqrt(variance + self.epsilon)
        return x * factor + (bias[None, None] - mean * factor)


class PositionalConvolution(nn.Module):
    """Relative positions from a wide grouped convolution, its kernel given by direction and magnitude at each tap."""

    config: Config

    @nn.compact
    def __call__(self, x: Float[Array, "b t d"]) -> Float[Array, "b t d"]:
        c = self.config
        shape = (c.position_window, c.width // c.position_groups, c.width)
        direction = self.param("direction", nn.initializers.lecun_normal(), shape, jnp.float32)
        length = jnp.sqrt(jnp.sum(direction**2, axis=(1, 2)))
        magnitude = self.param("magnitude", lambda _: length)  # so that the kernel starts as the direction
        bias = self.param("bias", nn.initializers.zeros, shape[-1:], jnp.float32)
        kernel = ((magnitude / length)[:, None, None] * direction).astype(c.dtype)
        before, after = c.position_window // 2, (c.position_window - 1) // 2
        if time_parts.ways() == 1:  # gradients of padded kernels are quicker where the convolution pads
            y = convolve(x, kernel, padding=before, groups=c.position_groups)[:, : x.shape[1]]
        else:
            padded = jnp.pad(x, ((0, 0), (before, after), (0, 0)))
            parts = time_parts.cut(padded, c.position_window)
            y = time_parts.join(convolve(parts, kernel, groups=c.position_groups))
        return nn.gelu(y + bias.astype(c.dtype)[None, None], approximate=False)


class Attention(nn.Module):
    """Every frame looks at every frame of its utterance."""

    config: Config

    @nn.compact
    def __call__(
        self, x: Float[Array, "b t d"], own: Bool[Array, "b t"] | None, train: bool = False
    ) -> Float[Array, "b t d"]:
        c = self.config
        query, key, value = (nn.Dense(c.width, dtype=c.dtype, name=name)(x) for name in ("query", "key", "value"))
        key, value = (nn.with_logical_constraint(y, ("batch", None, "heads")) for y in (key, value))  # of all frames
        query, key, value = (y.reshape(*y.shape[:2], c.heads, -1) for y in (query, key, value))
        seen = None if own is None else own[:, None, None]
        if train and c.attention_dropout:  # which jax's own function lacks
            y = nn.dot_product_attention(
                query, key, value, mask=seen, dropout_rng=self.make_rng("dropout"), dropout_rate=c.attention_dropout,
                broadcast_dropout=False, deterministic=False, dtype=c.dtype, force_fp32_for_softmax=True,
            )  # fmt: skip
        else:
            y = jax.nn.dot_product_attention(query, key, value, mask=seen, implementation=c.attention)
        return nn.Dense(c.width, dtype=c.dtype, name="out")(_held(y.reshape(x.shape), "heads"))


class Layer(nn.Module):
    """One transformer layer: attention, then a feed-forward block, each added to what it was given."""

    config: Config

    @nn.compact
    def __call__(
        self, x: Float[Array, "b t d"], own: Bool[Array, "b t"] | None, train: bool = False
    ) -> Float[Array, "b t d"]:
        c = self.config
        attention_norm, feed_forward_norm = _layer_norm(c, "attention_norm"), _layer_norm(c, "feed_forward_norm")
        drop = nn.Dropout(c.dropout, deterministic=not train)
        attend = Attention(c, name="attention")
        widen, narrow = (nn.Dense(n, dtype=c.dtype, name=m) for n, m in ((c.hidden, "widen"), (c.width, "narrow")))

        def feed_forward(x):
            return narrow(drop(_held(nn.gelu(widen(x), approximate=False), "hidden")))

        if c.norm_first:
            y = x + drop(attend(attention_norm(x), own, train))
            y = y + drop(feed_forward(feed_forward_norm(y)))
        else:
            y = attention_norm(x + drop(attend(x, own, train)))
            y = feed_forward_norm(y + drop(feed_forward(y)))
        if train and c.layer_drop:  # of the whole batch, as published
            y = jnp.where(jax.random.bernoulli(self.make_rng("dropout"), c.layer_drop), x, y)
        return y


class ContextNetwork(nn.Module):
    """From frames to frames that know each other."""

    config: Config

    @nn.compact
    def __call__(
        self,
        features: Float[Array, "b t c"],
        own: Bool[Array, "b t"] | None = None,
        masked: tuple[Bool[Array, "b t"], Float[Array, "d"]] | None = None,
        *,
        train: bool = False,
    ) -> tuple[Float[Array, "b t d"], dict[str, Any]]:
        """`masked`: the frames that are hidden in pretraining, and the vector that stands in for them."""
        c = self.config
        drop = nn.Dropout(c.dropout, deterministic=not train)
        normed = _layer_norm(c, "feature_norm")(features) if c.feature_norm else features
        x = projected = _held(nn.Dense(c.width, dtype=c.dtype, name="projection")(normed), "embed")
        x = drop(x)
        if masked is not None:
            x = jnp.where(masked[0][..., None], masked[1].astype(c.dtype)[None, None], x)
        if own is not None:
            x = jnp.where(own[..., None], x, 0)  # as the zeros beyond the ends of an utterance alone
        position = PositionalConvolution(c, name="position")(x)
        x, norm = x + position, _layer_norm(c, "norm")
        x = drop(x if c.norm_first else norm(x))
        if c.scan and not self.is_initializing():
            own_parameters = [self.variables["params"][f"layer_{i}"] for i in range(c.layers)]
            draws = train and (c.dropout or c.attention_dropout or c.layer_drop)
            keys = jax.random.split(self.make_rng("dropout"), c.layers) if draws else None
            layers = _loop(c, own_parameters, x, own, keys)
        else:
            layer = nn.remat(Layer, policy=_KEPT[c.remat], static_argnums=3) if c.remat in _KEPT else Layer
            layers = []
            for i in range(c.layers):
                layers.append(_held(layer(c, name=f"layer_{i}")(layers[-1] if layers else x, own, train), "embed"))
        x = layers[-1]
        x = (norm(x) if c.norm_first else x).astype(jnp.float32)
        if own is not None:
            x = jnp.where(own[..., None], x, 0)
        return x, {"normed": normed, "projected": projected, "position": position, "layers": tuple(layers)}


def _loop(c: Config, parameters: list[dict], x: Float[Array, "b t d"], own, keys) -> list[Float[Array, "b t d"]]:
    """What each layer gives, as one loop over their parameters, which are stacked for it; `keys`: for their dropout.

    Compilers then see one layer: libtpu takes 50 s of a core for one of LARGE with its gradient, and as long for every
    further one. Parameters keep their names. It costs copies of them, a few per cent of a step; CPUs are slower at it.
    """

    def layer(x, own_parameters_and_key):
        own_parameters, key = own_parameters_and_key
        rngs = None if key is None else {"dropout": key}
        y = Layer(c, parent=None).apply({"params": own_parameters}, x, own, key is not None, rngs=rngs)
        y = _held(y, "embed")
        return y, y

    if c.remat in _KEPT:
        layer = jax.checkpoint(layer, policy=_KEPT[c.remat], prevent_cse=False)
    stacked = jax.tree_util.tree_map_with_path(lambda path, *leaves: jnp.stack(_computed(c, path, leaves)), *parameters)
    layers = jax.lax.scan(layer, x, (stacked, keys))[1]
    return list(layers)


def _computed(c: Config, path: tuple, leaves: tuple[Array, ...]) -> tuple[Array, ...]:
    """Parameters in the type in which a layer uses them, so that half the bytes are copied: norms stay in float32."""
    return leaves if path[0].key.endswith("_norm") else tuple(leaf.astype(c.dtype) for leaf in leaves)


class SpeechEncoder(nn.Module):
    config: Config = BASE

    def setup(self):
        self.ear = FeatureEncoder(self.config)
        self.context = ContextNetwork(self.config)

    def __call__(
        self,
        wave: Float[Array, "b n"],
        lengths: Int[Array, "b"] | None = None,
        masked: tuple[Bool[Array, "b t"], Float[Array, "d"]] | None = None,
        *,
        train: bool = False,
    ) -> tuple[Float[Array, "b t d"], dict[str, Any]]:
        """The last layer's features, float32, and aux.

        Args:
            wave: at 16 kHz, at least `config.reach` samples, as the network was trained to get it (`config.normalise`).
            lengths: samples of each utterance; all, where it is not given.
            masked: see `ContextNetwork`.

        Returns:
            features, and aux: `own` (which frames belong to the utterance, None without lengths), `features` of the
            convolutions, `normed` and `projected`, `position`, and `layers`, the outputs of every transformer layer
            (before the last norm). Only `own` says which frames of aux mean something.
        """
        c = self.config
        features = self.ear(wave, lengths)
        if train and c.conv_gradient != 1:
            held = jax.lax.stop_gradient(features)
            features = held + c.conv_gradient * (features - held)
        own = None if lengths is None else _own(c.frames(lengths), features[..., 0])
        x, aux = self.context(features, own, masked, train=train)
        return x, aux | {"own": own, "features": features}

    def hear(
        self,
        wave: Float[Array, "b n"],
        statistics: tuple[Float[Array, "b c"], Float[Array, "b c"]] | None = None,
    ) -> Float[Array, "b t c"]:
        """Features of the convolutions alone; see `FeatureEncoder`."""
        return self.ear(wave, None, statistics)

    def contextualise(self, features: Float[Array, "b t c"], own: Bool[Array, "b t"]) -> Float[Array, "b t d"]:
        """The last layer's features from those of the convolutions."""
        return self.context(features, own)[0]


def _layer_norm(config: Config, name: str) -> nn.LayerNorm:
    """Statistics in float32, and from centred values: the quick formula loses digits that the published nets show."""
    return nn.LayerNorm(config.epsilon, dtype=config.dtype, use_fast_variance=False, name=name)


def _held(x: Float[Array, "b t c"], channels: str) -> Float[Array, "b t c"]:
    """x where the rules put its axes, when it is traced for a mesh."""
    return nn.with_logical_constraint(x, ("batch", "time", channels))


def _own(lengths: Int[Array, "b"] | None, x: Array) -> Bool[Array, "b t"]:
    """Which places of x [b, t] lie within each length."""
    if lengths is None:
        return jnp.ones(x.shape, bool)
    return jnp.arange(x.shape[1])[None] < lengths[:, None]


def moments(x: Float[Array, "b t c"], own: Bool[Array, "b t"]) -> tuple[Float[Array, "b 1 c"], Float[Array, "b 1 c"]]:
    """Mean and variance over an utterance's own time; 0 of nothing."""
    own, count = own[..., None], jnp.maximum(own.sum(1), 1)[:, None, None]
    mean = jnp.sum(jnp.where(own, x, 0), axis=1, keepdims=True) / count  # where: three times faster than weights
    return mean, jnp.sum(jnp.where(own, x - mean, 0) ** 2, axis=1, keepdims=True) / count
