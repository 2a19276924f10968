"""MotionSyncNet: do speech and the motion of the mouth belong together? (the sync expert of GeneFace, ICLR 2023)

    HuBERT rows [10, 1024], 50 a second --13 convolutions--> sound embedding [16 width], a unit vector
    20 mouth points in 3-D [5, 60], 25 a second --13 convolutions--> motion embedding [16 width], a unit vector

Wav2Lip's expert (`models.wav2lip_syncnet`) with landmarks for pictures: rows begin at 2 i for frame i, no entry of an
embedding is negative, so their cosine (`jaxtalk.metrics.lip_sync.agreement`) is from 0 to 1; trained by
`jaxtalk.losses.sync`. The points are 48 to 67 of 68, as their difference from the person's neutral ones.
"""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.time_conv import TimeConv

# (channels in units of the width, window, stride, padding, residual) of each convolution.
_Layer = tuple[int, int, int, int, bool]
_END: tuple[_Layer, ...] = (
    (16, 3, 1, 1, True),
    (16, 3, 1, 1, True),
    (16, 3, 1, 1, False),
    (16, 3, 1, 0, False),
    (16, 1, 1, 0, False),
)
_MIDDLE: tuple[_Layer, ...] = (
    (4, 3, 1, 1, False),
    (4, 3, 1, 1, True),
    (4, 3, 1, 1, True),
    (8, 3, 2, 1, False),
    (8, 3, 1, 1, True),
    (8, 3, 1, 1, True),
)
SOUND: tuple[_Layer, ...] = ((4, 3, 1, 1, False), *_MIDDLE, (16, 3, 2, 1, False), *_END)
MOUTH: tuple[_Layer, ...] = ((3, 3, 1, 1, False), *_MIDDLE, (16, 3, 1, 1, False), *_END)
ROWS = 10  # of HuBERT in a window
FRAMES = 5  # of video in a window
FPS = 25  # video frames a second


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The default is the published network."""

    width: int = 32
    dtype: DTypeLike = jnp.float32


class MotionSyncNet(nn.Module):
    config: Config = Config()

    def setup(self):
        self.sound, self.mouth = Tower(self.config, SOUND), Tower(self.config, MOUTH)

    def __call__(
        self, hubert: Float[Array, "*b 10 f"], mouth: Float[Array, "*b 5 p"], *, train: bool = False
    ) -> tuple[Float[Array, "*b e"], Float[Array, "*b e"]]:
        """Embeddings of the sound and of the mouth, float32. With `train`, `batch_stats` are used and updated."""
        return self.hear(hubert, train=train), self.see(mouth, train=train)

    def hear(self, hubert: Float[Array, "*b 10 f"], *, train: bool = False) -> Float[Array, "*b e"]:
        """Embeddings of the sound alone: `MotionSyncNet().apply(variables, hubert, method="hear")`."""
        return self.sound(hubert.reshape(-1, *hubert.shape[-2:]), train=train).reshape(*hubert.shape[:-2], -1)

    def see(self, mouth: Float[Array, "*b 5 p"], *, train: bool = False) -> Float[Array, "*b e"]:
        """Embeddings of the mouth alone."""
        return self.mouth(mouth.reshape(-1, *mouth.shape[-2:]), train=train).reshape(*mouth.shape[:-2], -1)


class Tower(nn.Module):
    """Convolutions down to one moment, normalised; the zero vector stays as it is."""

    config: Config
    layers: tuple[_Layer, ...]

    @nn.compact
    def __call__(self, x: Float[Array, "b t c"], *, train: bool) -> Float[Array, "b e"]:
        width, dtype = self.config.width, self.config.dtype
        for i, (units, window, stride, padding, residual) in enumerate(self.layers):
            layer = TimeConv(units * width, window, stride, padding, residual, dtype=dtype, name=f"layer_{i}")
            x = layer(x, train=train)
        x = x.reshape(x.shape[0], -1).astype(jnp.float32)
        return x / jnp.sqrt(jnp.maximum(jnp.sum(x**2, axis=-1, keepdims=True), 1e-24))
