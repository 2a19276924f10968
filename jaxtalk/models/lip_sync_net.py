"""LipSyncNet, ours: does this sound belong to these lips? Two towers that put sound and lips of a moment in one place.

log-mel [c, 80], 80 a second --convolutions over 0.4 s--> [c/2, w] --between moments--> [t, w] --> unit vectors [t, d]
lip points [t, 20, 2], 25 a second --convolutions over 11 frames---------------------> [t, w] --> unit vectors [t, d]

As SyncNet (Chung and Zisserman, "Out of time", 2016) and GeneFace's sync network (Ye et al. 2023), which sees
landmarks too; shapes, loss (`losses.lip_sync`) and data are our own, and so are its distances: they are on another
scale than those published as LSE-D and LSE-C and must not be compared with them (docs/lip_sync.md).
"""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxtalk.audio import mel
from jaxtalk.audio.speech_windows import SPACING
from jaxtalk.nn.conv import Conv

FPS = 25.0
COLUMNS_PER_FRAME = mel.COLUMNS_PER_SECOND / FPS
_FIRST = 5  # columns, or frames, that the first convolution of a tower sees
_MARGIN = 10  # frames that go on beyond either end: more than a tower reaches, and a whole number of columns
_BLOCK = 128  # lengths are rounded up to this many frames, so that few are compiled
_SPREAD = 0.02  # of lips about their mean, added to a clip's own: lips that rest are not blown up


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    sound_width: int = 192
    sound_dilations: tuple[int, ...] = (1, 2, 4)
    lips_width: int = 128
    lips_dilations: tuple[int, ...] = (1, 2)
    embedding: int = 64
    dropout: float = 0.1


class Block(nn.Module):
    """x + Dense(GELU(dilated convolution of three moments(LayerNorm(x)))), as LipTCN's."""

    width: int
    dilation: int
    dropout: float

    @nn.compact
    def __call__(self, x: Float[Array, "b t w"], *, train: bool) -> Float[Array, "b t w"]:
        y = nn.LayerNorm(name="norm")(x)
        y = Conv(self.width, (3,), padding=self.dilation, dilation=self.dilation, name="conv")(y)
        y = nn.Dropout(self.dropout, deterministic=not train)(nn.gelu(y))
        return x + nn.Dense(self.width, name="mix")(y)


class Tower(nn.Module):
    """Blocks of convolutions over time, with a first one of `stride`."""

    width: int
    dilations: tuple[int, ...]
    stride: int
    dropout: float

    @nn.compact
    def __call__(self, x: Float[Array, "b t i"], *, train: bool) -> Float[Array, "b t2 w"]:
        x = nn.gelu(Conv(self.width, (_FIRST,), self.stride, padding=_FIRST // 2, name="first")(x))
        for i, dilation in enumerate(self.dilations):
            x = Block(self.width, dilation, self.dropout, name=f"block_{i}")(x, train=train)
        x = nn.LayerNorm(name="norm")(x)
        return nn.Dropout(self.dropout, deterministic=not train)(x)


class LipSyncNet(nn.Module):
    config: Config

    def setup(self):
        c = self.config
        self.sound_tower = Tower(c.sound_width, c.sound_dilations, SPACING, c.dropout)
        self.lips_tower = Tower(c.lips_width, c.lips_dilations, 1, c.dropout)
        self.sound_hidden, self.lips_hidden = nn.Dense(c.lips_width), nn.Dense(c.lips_width)
        self.sound_out, self.lips_out = nn.Dense(c.embedding), nn.Dense(c.embedding)

    def __call__(
        self, lips: Float[Array, "b t 20 2"], mel: Float[Array, "b c 80"], *, train: bool = False
    ) -> tuple[Float[Array, "b t d"], Float[Array, "b t d"]]:
        """Unit embeddings of lips (`face.lip_shape`, 25 frames a second) and of the sound at each frame.

        `mel` is log-mel as `speech_windows.normalise` gives it; both begin at the same time. Sound that ends before
        the lips goes on with its last moment.
        """
        return self.see(lips, train=train), self.hear(mel, lips.shape[1], train=train)

    def see(self, lips: Float[Array, "b t 20 2"], *, train: bool = False) -> Float[Array, "b t d"]:
        spread = jnp.sqrt(jnp.mean(lips**2, axis=(1, 2, 3), keepdims=True)) + _SPREAD
        x = self.lips_tower((lips / spread).reshape(*lips.shape[:2], -1), train=train)
        return _unit(self.lips_out(nn.gelu(self.lips_hidden(x))))

    def hear(self, mel: Float[Array, "b c 80"], frames: int, *, train: bool = False) -> Float[Array, "b t d"]:
        x = self.sound_tower(mel, train=train)
        place = np.clip(np.arange(frames) * COLUMNS_PER_FRAME / SPACING, 0, x.shape[1] - 1)
        low = np.minimum(place.astype(int), max(x.shape[1] - 2, 0))
        share = jnp.asarray((place - low)[None, :, None], jnp.float32)
        x = x[:, low] * (1 - share) + x[:, np.minimum(low + 1, x.shape[1] - 1)] * share
        return _unit(self.sound_out(nn.gelu(self.sound_hidden(x))))


def embed(
    config: Config, params: dict, lips: Float[np.ndarray, "t 20 2"], mel: Float[np.ndarray, "c 80"]
) -> tuple[Float[np.ndarray, "t d"], Float[np.ndarray, "t d"]]:
    """Unit embeddings of the lips and of the sound at each frame of a clip: what `metrics.lip_sync` takes.

    `lips` is `face.lip_shape` of the landmarks of every frame at 25 frames a second, `mel` the whole sound's log-mel as
    `speech_windows.normalise` gives it. The first and last frame and column go on beyond the ends.
    """
    count = len(lips)
    frames = -(-count // _BLOCK) * _BLOCK + 2 * _MARGIN
    columns, before = int(frames * COLUMNS_PER_FRAME), int(_MARGIN * COLUMNS_PER_FRAME)
    mel = mel[: columns - before]
    seen = np.pad(lips, ((_MARGIN, frames - count - _MARGIN), (0, 0), (0, 0)), mode="edge")
    heard = np.pad(mel, ((before, columns - before - len(mel)), (0, 0)), mode="edge")
    answer = _embed(config, params, jnp.asarray(seen[None]), jnp.asarray(heard[None]))
    face, sound = (np.asarray(part[0, _MARGIN : _MARGIN + count]) for part in answer)
    return face, sound


@functools.partial(jax.jit, static_argnums=0)
def _embed(config, params, lips, mel):
    return LipSyncNet(config).apply({"params": params}, lips, mel)


def _unit(x: Float[Array, "*b d"]) -> Float[Array, "*b d"]:
    return x / jnp.sqrt(jnp.sum(x**2, axis=-1, keepdims=True) + 1e-12)
