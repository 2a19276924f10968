"""SyncNet: sound and lips of a fifth of a second in one space (Chung and Zisserman, "Out of time", 2016, sec. 2).

    MFCC window [13, 20] --6 convolutions, 2 poolings--> [16 width] --2 layers--> sound embedding [e]
    5 face crops [5, 224, 224, 3] --6 convolutions, 3 poolings--> [16 width] --2 layers--> face embedding [e]

The two are near (Euclidean distance, not normalised) where they belong together. As published: windows begin at video
frame i of 25 a second and at column 4 i of 100; coefficients are those of `jaxtalk.audio.speech_mfcc`; crops are those
of `jaxtalk.face.mouth_crops.syncnet_crop`, BGR from 0 to 255, neither scaled nor centred.
"""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.conv import Conv
from jaxtalk.nn.mel_encoder import batch_norm

# (channels in units of the width, window, stride, padding) of each convolution, and the (strides, padding) of the
# maximum over 3x3 pixels after it.
_Layer = tuple[int, tuple[int, int], int, int, tuple[tuple[int, int], int] | None]
_SOUND: tuple[_Layer, ...] = (
    (2, (3, 3), 1, 1, None),
    (6, (3, 3), 1, 1, ((1, 2), 0)),
    (12, (3, 3), 1, 1, None),
    (8, (3, 3), 1, 1, None),
    (8, (3, 3), 1, 1, ((2, 2), 0)),
    (16, (5, 4), 1, 0, None),
)
# The first convolution spans all 5 frames and the others one: all are 2-D, the first over the channels of 5 frames.
_FACE: tuple[_Layer, ...] = (
    (3, (7, 7), 2, 0, ((2, 2), 0)),
    (8, (5, 5), 2, 1, ((2, 2), 1)),
    (8, (3, 3), 1, 1, None),
    (8, (3, 3), 1, 1, None),
    (8, (3, 3), 1, 1, ((2, 2), 0)),
    (16, (6, 6), 1, 0, None),
)
FRAMES = 5  # video frames in a window
FPS = 25  # video frames a second


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published network."""

    width: int = 32
    embedding: int = 1024
    dtype: DTypeLike = jnp.float32


class SyncNet(nn.Module):
    config: Config = Config()

    def setup(self):
        self.sound, self.face = Tower(self.config, _SOUND), Tower(self.config, _FACE)

    def __call__(
        self, mfcc: Float[Array, "*b 13 20"], faces: Float[Array, "*b 5 224 224 3"], *, train: bool = False
    ) -> tuple[Float[Array, "*b e"], Float[Array, "*b e"]]:
        """Embeddings of the sound and of the faces, float32."""
        return self.hear(mfcc, train=train), self.see(faces, train=train)

    def hear(self, mfcc: Float[Array, "*b 13 20"], *, train: bool = False) -> Float[Array, "*b e"]:
        """Embeddings of the sound alone: `SyncNet().apply(variables, mfcc, method="hear")`."""
        return self.sound(mfcc.reshape(-1, 13, 20, 1), train=train).reshape(*mfcc.shape[:-2], -1)

    def see(self, faces: Float[Array, "*b 5 224 224 3"], *, train: bool = False) -> Float[Array, "*b e"]:
        """Embeddings of the faces alone."""
        stacked = jnp.moveaxis(faces.reshape(-1, *faces.shape[-4:]), 1, 3)
        return self.face(stacked.reshape(*stacked.shape[:3], -1), train=train).reshape(*faces.shape[:-4], -1)


class Tower(nn.Module):
    """Convolutions down to one pixel, then two layers. Batch norm's statistics are float32."""

    config: Config
    layers: tuple[_Layer, ...]

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b e"]:
        config = self.config
        for i, (units, window, stride, padding, pooling) in enumerate(self.layers):
            x = Conv(units * config.width, window, stride, padding, dtype=config.dtype, name=f"conv_{i}")(x)
            x = nn.relu(batch_norm(train, name=f"norm_{i}")(x).astype(config.dtype))
            if pooling:
                strides, border = pooling
                x = nn.max_pool(x, (3, 3), strides, ((border, border), (border, border)))
        x = x.reshape(x.shape[0], -1)
        self.sow("intermediates", "feature", x)
        x = nn.Dense(x.shape[-1], dtype=config.dtype, name="hidden")(x)
        x = nn.relu(batch_norm(train, name="norm_hidden")(x).astype(config.dtype))
        return nn.Dense(config.embedding, dtype=config.dtype, name="embedding")(x).astype(jnp.float32)
