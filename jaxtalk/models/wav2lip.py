"""Wav2Lip's generator: a face whose mouth says what is heard (Prajwal et al., ACM Multimedia 2020, sec. 4).

    mel window [80, 16] --`jaxtalk.nn.mel_encoder`--> sound [1, 1, 16 n]                                     (n = 32)
    face [96, 96, 6] --7 blocks--> [96, 96, n/2], [48, 48, n], [24, 24, 2 n] ... [3, 3, 16 n], [1, 1, 16 n]
    sound --7 blocks, each followed by what the face has at its size--> [96, 96, 5/2 n] --> face [96, 96, 3]

The six channels are the frame to be spoken with its lower half black, which tells the pose, and another frame of the
person, which tells what the mouth looks like: `black_out`. As published: BGR from 0 to 1, 25 frames a second, crops
and mel windows as in `jaxtalk.models.wav2lip_syncnet`. Trained by L1, by the sync expert on 5 frames
(`jaxtalk.losses.sync`) and by `jaxtalk.models.wav2lip_discriminator`.
"""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.conv import Conv, ConvTranspose
from jaxtalk.nn.mel_encoder import MelEncoder, NormedConv, batch_norm

SIZE = 96  # pixels along a side: five halvings and a window of 3 leave one
# (channels in halves of the width, window, stride, padding) of the first convolution of each block of the face,
# and how many residual ones follow; behind the last one of 1 x 1.
SEE: tuple[tuple[int, int, int, int, int], ...] = (
    (1, 7, 1, 3, 0),
    (2, 3, 2, 1, 2),
    (4, 3, 2, 1, 3),
    (8, 3, 2, 1, 2),
    (16, 3, 2, 1, 2),
    (32, 3, 2, 1, 1),
    (32, 3, 1, 0, 0),
)
# (channels in units of the width, residual convolutions) of each block of the mouth; 1, 3, 6, 12 ... 96 pixels.
SPEAK = ((16, 0), (16, 1), (16, 2), (12, 2), (8, 2), (4, 2), (2, 2))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The default is the published network."""

    width: int = 32  # even
    dtype: DTypeLike = jnp.float32


class Generator(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(
        self, mel: Float[Array, "*b 80 16"], faces: Float[Array, "*b 96 96 6"], *, train: bool = False
    ) -> tuple[Float[Array, "*b 96 96 3"], dict[str, Array]]:
        """Faces from 0 to 1, float32; aux has the embeddings `sound` and `face` [*b, 16 width], no entry negative.

        With `train`, `batch_stats` are used and updated.
        """
        n, dtype = self.config.width, self.config.dtype
        seen, x = [], faces.reshape(-1, SIZE, SIZE, 6)
        for k, (halves, window, stride, padding, residual) in enumerate(SEE):
            x = NormedConv(halves * n // 2, window, stride, padding, dtype=dtype, name=f"see_{k}_0")(x, train=train)
            x = self._residual(x, residual, f"see_{k}", train)
            seen.append(x)
        seen[-1] = NormedConv(x.shape[-1], 1, dtype=dtype, name=f"see_{len(SEE) - 1}_1")(x, train=train)
        sound = MelEncoder(n, dtype, name="hear")(mel.reshape(-1, 80, 16), train=train)
        x = sound[:, None, None]
        for k, (units, residual) in enumerate(SPEAK):
            x = self._first(x, k, units * n, train)
            x = self._residual(x, residual, f"speak_{k}", train)
            x = jnp.concatenate([x, seen[-1 - k]], -1)
        x = NormedConv(n, 3, 1, 1, dtype=dtype, name="out_0")(x, train=train)
        x = Conv(3, (1, 1), dtype=dtype, name="out_1")(x)
        lead = mel.shape[:-2]
        aux = {"sound": sound.reshape(*lead, -1), "face": seen[-1].reshape(*lead, -1)}
        return nn.sigmoid(x.astype(jnp.float32)).reshape(*lead, SIZE, SIZE, 3), aux

    def _first(self, x: Array, k: int, features: int, train: bool) -> Array:
        """The convolution that begins block k of the mouth: on one pixel, to three, then to twice the size."""
        dtype, name = self.config.dtype, f"speak_{k}_0"
        if k == 0:
            return NormedConv(features, 1, dtype=dtype, name=name)(x, train=train)
        enlarging = (1, 0, 0) if k == 1 else (2, 1, 1)
        return NormedConvTranspose(features, *enlarging, dtype=dtype, name=name)(x, train=train)

    def _residual(self, x: Array, count: int, name: str, train: bool) -> Array:
        for i in range(1, count + 1):
            layer = NormedConv(x.shape[-1], 3, 1, 1, True, self.config.dtype, name=f"{name}_{i}")
            x = layer(x, train=train)
        return x


class NormedConvTranspose(nn.Module):
    """Transposed convolution of 3 x 3, batch norm, ReLU."""

    features: int
    stride: int
    padding: int
    extra: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"], *, train: bool) -> Float[Array, "b h2 w2 o"]:
        sizes = self.stride, self.padding, self.extra
        y = ConvTranspose(self.features, (3, 3), *sizes, dtype=self.dtype, name="conv")(x)
        return nn.relu(batch_norm(train, name="norm")(y)).astype(self.dtype)


def black_out(frames: Float[Array, "*b 96 96 3"], references: Float[Array, "*b 96 96 3"]) -> Float[Array, "*b 96 96 6"]:
    """What the generator sees: frames with their lower half black, then frames of the same person at other times."""
    return jnp.concatenate([frames.at[..., SIZE // 2 :, :, :].set(0.0), references], -1)
