"""Wav2Lip's sync expert: how likely do sound and lips of a fifth of a second agree? (Prajwal et al., 2020, sec. 3)

    mel window [80, 16] --14 convolutions--> sound embedding [16 width], a unit vector
    lower halves of 5 face crops [5, 48, 96, 3] --17 convolutions--> face embedding [16 width], a unit vector

No entry of either is negative, so their cosine (`jaxtalk.metrics.lip_sync.agreement`) is from 0 to 1; trained by
`jaxtalk.losses.sync`. As published: 25 frames a second; the window of frame i is columns int(80 i / 25) to + 15 of
`jaxtalk.audio.mel.log_mel`, which `mel.windows(..., first=2)` gives; crops are those of
`jaxtalk.face.mouth_crops.wav2lip_crop`, BGR from 0 to 1.
"""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.conv import Extent
from jaxtalk.nn.mel_encoder import LAYERS, NormedConv

# (channels in units of the width, window, stride, padding, residual) of each convolution. The sound's are those of
# `jaxtalk.nn.mel_encoder` but for one residual layer more.
SOUND = (*LAYERS[:11], (8, 3, 1, 1, True), *LAYERS[11:])
FACE: tuple[tuple[int, int, Extent, int, bool], ...] = (
    (1, 7, 1, 3, False),
    (2, 5, (1, 2), 1, False),
    (2, 3, 1, 1, True),
    (2, 3, 1, 1, True),
    (4, 3, 2, 1, False),
    (4, 3, 1, 1, True),
    (4, 3, 1, 1, True),
    (4, 3, 1, 1, True),
    (8, 3, 2, 1, False),
    (8, 3, 1, 1, True),
    (8, 3, 1, 1, True),
    (16, 3, 2, 1, False),
    (16, 3, 1, 1, True),
    (16, 3, 1, 1, True),
    (16, 3, 2, 1, False),
    (16, 3, 1, 0, False),
    (16, 1, 1, 0, False),
)
FRAMES = 5  # video frames in a window
FPS = 25  # video frames a second


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The default is the published network."""

    width: int = 32
    dtype: DTypeLike = jnp.float32


class SyncExpert(nn.Module):
    config: Config = Config()

    def setup(self):
        self.sound, self.face = Tower(self.config, SOUND), Tower(self.config, FACE)

    def __call__(
        self, mel: Float[Array, "*b 80 16"], faces: Float[Array, "*b 5 48 96 3"], *, train: bool = False
    ) -> tuple[Float[Array, "*b e"], Float[Array, "*b e"]]:
        """Embeddings of the sound and of the faces, float32. With `train`, `batch_stats` are used and updated."""
        return self.hear(mel, train=train), self.see(faces, train=train)

    def hear(self, mel: Float[Array, "*b 80 16"], *, train: bool = False) -> Float[Array, "*b e"]:
        """Embeddings of the sound alone: `SyncExpert().apply(variables, mel, method="hear")`."""
        return self.sound(mel.reshape(-1, 80, 16, 1), train=train).reshape(*mel.shape[:-2], -1)

    def see(self, faces: Float[Array, "*b 5 48 96 3"], *, train: bool = False) -> Float[Array, "*b e"]:
        """Embeddings of the faces alone."""
        stacked = jnp.moveaxis(faces.reshape(-1, *faces.shape[-4:]), 1, 3)
        return self.face(stacked.reshape(*stacked.shape[:3], -1), train=train).reshape(*faces.shape[:-4], -1)


class Tower(nn.Module):
    """Convolutions down to one pixel, normalised; the zero vector stays as it is."""

    config: Config
    layers: tuple[tuple[int, int, Extent, int, bool], ...]

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b e"]:
        width, dtype = self.config.width, self.config.dtype
        for i, (units, window, stride, padding, residual) in enumerate(self.layers):
            layer = NormedConv(units * width, window, stride, padding, residual, dtype, name=f"layer_{i}")
            x = layer(x, train=train)
        x = x.reshape(x.shape[0], -1).astype(jnp.float32)
        return x / jnp.sqrt(jnp.maximum(jnp.sum(x**2, axis=-1, keepdims=True), 1e-24))
