"""IP-LAP's landmark generator: lips and jaw that fit speech and the rest of the face (Zhong et al., CVPR 2023).

    mel windows [t, 80, 16] --13 convolutions-----> sound tokens [t, d]      (+ place + kind)
    pose points [t, 74, 2] --21 convolutions------> pose tokens [t, d]       (+ place + kind)
    all points of r references [r, 131, 2] --20---> reference tokens [r, d]  (+ kind)
    [r + 2 t, d] --transformer--> of the sound tokens 40 points of the mouth, of the pose tokens 17 of the jaw

Points are MediaPipe's, from 0 to 1 across the face's box: pose points are those of brows, eyes, nose and the upper part
of the outline, content points are jaw, then mouth. As published, clips of 5 frames at 25 frames a second, of which the
middle one is drawn (`jaxtalk.models.iplap_renderer`), and 15 references from shut to wide open; frame i hears the mel
window of frame i - 2.
"""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.biased_attention import encoding
from jaxtalk.nn.conv import Conv, Extent
from jaxtalk.nn.mel_encoder import LAYERS, batch_norm

POSE, JAW, MOUTH = 74, 17, 40  # points
CONTENT = JAW + MOUTH
# (channels in 512ths of the width, window, stride, padding, residual) of each convolution along the points
REFERENCE_LAYERS = (
    (4, 3, 1, 1, False),
    *((units, 3, 2 - again, 1, again) for units in (8, 16, 32, 64, 128) for again in (False, True, True)),
    (256, 3, 2, 1, False),
    (256, 3, 1, 1, True),
    (512, 3, 1, 0, False),
    (512, 1, 1, 0, False),
)
POSE_LAYERS = (
    (4, 3, 1, 1, False),
    (8, 3, 1, 1, False),
    *((8, 3, 1, 1, True),) * 2,
    *((units, 3, 2 - again, 1, again) for units in (16, 32, 64, 128, 256) for again in (False, True, True)),
    (512, 3, 1, 0, False),
    (512, 1, 1, 0, True),
)
SOUND_LAYERS = tuple((32 * units, *rest) for units, *rest in LAYERS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The default is the published network."""

    width: int = 512  # a multiple of 128
    layers: int = 4
    heads: int = 4
    hidden: int = 1024
    dropout: float = 0.1
    dtype: DTypeLike = jnp.float32


class LandmarkGenerator(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(
        self,
        mel: Float[Array, "b t 80 16"],
        pose: Float[Array, "b t 74 2"],
        references: Float[Array, "b r 131 2"],
        *,
        train: bool = False,
    ) -> tuple[Float[Array, "b t 57 2"], dict[str, Array]]:
        """Content points, float32; aux has the tokens `sound` and `pose` [b, t, d] without places and kinds."""
        c, frames = self.config, mel.shape[1]
        norm = nn.LayerNorm(1e-5, dtype=c.dtype, use_fast_variance=False, name="norm")
        sound = norm(Encoder(SOUND_LAYERS, c, name="hear")(mel[..., None], train=train))
        placed = norm(Encoder(POSE_LAYERS, c, name="see_pose")(pose, train=train))
        shown = norm(Encoder(REFERENCE_LAYERS, c, name="see_reference")(references, train=train))
        kinds = self.param("kinds", nn.initializers.normal(1.0), (3, c.width), jnp.float32)
        place = encoding(jnp.arange(frames), c.width, frames)
        added = [place + kinds[None, 0], place + kinds[None, 1], kinds[None, 2]]  # to poses, sounds, references
        pose_tokens, sound_tokens, reference_tokens = (
            tokens + add[None].astype(c.dtype) for tokens, add in zip((placed, sound, shown), added, strict=True)
        )
        x = jnp.concatenate([reference_tokens, sound_tokens, pose_tokens], 1)
        x = nn.Dropout(c.dropout, deterministic=not train)(x)
        for k in range(c.layers):
            x = Layer(c, name=f"layer_{k}")(x, train=train)
        heard, posed = jnp.split(x[:, references.shape[1] :].astype(jnp.float32), 2, axis=1)
        mouth, jaw = nn.Dense(2 * MOUTH, name="mouth")(heard), nn.Dense(2 * JAW, name="jaw")(posed)
        content = jnp.concatenate([jaw, mouth], -1).reshape(*mel.shape[:2], CONTENT, 2)
        return content, {"sound": sound, "pose": placed}


class Encoder(nn.Module):
    """Convolutions over the inner axes down to one place, each with batch norm; ReLU, but tanh at the end."""

    layers: tuple[tuple[int, int, Extent, int, bool], ...]
    config: Config

    @nn.compact
    def __call__(self, x: Float[Array, "b n *space c"], *, train: bool) -> Float[Array, "b n d"]:
        c, lead = self.config, x.shape[:2]
        x = x.reshape(-1, *x.shape[2:])
        for k, (units, window, stride, padding, residual) in enumerate(self.layers):
            window, features = (window,) * (x.ndim - 2), units * c.width // 512
            y = Conv(features, window, stride, padding, dtype=c.dtype, name=f"conv_{k}")(x)
            y = batch_norm(train, name=f"norm_{k}")(y).astype(c.dtype)
            activate = nn.tanh if k == len(self.layers) - 1 else nn.relu
            x = activate(y + x if residual else y)
        return x.reshape(*lead, -1)


class Layer(nn.Module):
    """A transformer's layer as in the first transformers: normalised behind each block, with ReLU."""

    config: Config

    @nn.compact
    def __call__(self, x: Float[Array, "b n d"], *, train: bool) -> Float[Array, "b n d"]:
        c = self.config
        drop = nn.Dropout(c.dropout, deterministic=not train)

        def norm(name: str, x: Array) -> Array:
            return nn.LayerNorm(1e-5, dtype=c.dtype, use_fast_variance=False, name=name)(x)

        x = norm("attention_norm", x + drop(self._attend(x, drop)))
        hidden = drop(nn.relu(nn.Dense(c.hidden, dtype=c.dtype, name="widen")(x)))
        return norm("feed_forward_norm", x + drop(nn.Dense(c.width, dtype=c.dtype, name="narrow")(hidden)))

    def _attend(self, x: Array, drop: nn.Dropout) -> Array:
        c = self.config
        dense = {name: nn.Dense(c.width, dtype=c.dtype, name=name) for name in ("query", "key", "value", "out")}
        query, key, value = (dense[name](x).reshape(*x.shape[:2], c.heads, -1) for name in ("query", "key", "value"))
        scores = jnp.einsum("bqhc,bkhc->bhqk", query, key).astype(jnp.float32) / np.sqrt(c.width // c.heads)
        seen = jnp.einsum("bhqk,bkhc->bqhc", drop(nn.softmax(scores)).astype(c.dtype), value)
        return dense["out"](seen.reshape(x.shape))
