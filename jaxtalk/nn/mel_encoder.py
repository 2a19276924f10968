"""The mel encoder that Wav2Lip introduced and SadTalker's networks share.

mel window [80, 16] --13 convolutions, each with batch norm and ReLU, six of them residual--> embedding [16 width]
"""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.conv import Conv, Extent

# (channels in units of the width, window, stride, padding, residual) of each convolution over (bands, columns)
LAYERS: tuple[tuple[int, int, Extent, int, bool], ...] = (
    (1, 3, 1, 1, False),
    (1, 3, 1, 1, True),
    (1, 3, 1, 1, True),
    (2, 3, (3, 1), 1, False),
    (2, 3, 1, 1, True),
    (2, 3, 1, 1, True),
    (4, 3, 3, 1, False),
    (4, 3, 1, 1, True),
    (4, 3, 1, 1, True),
    (8, 3, (3, 2), 1, False),
    (8, 3, 1, 1, True),
    (16, 3, 1, 0, False),
    (16, 1, 1, 0, False),
)
DEPTH = len(LAYERS)


class NormedConv(nn.Module):
    """Convolution, batch norm, the input again where residual, ReLU. Statistics are kept in float32."""

    features: int
    window: int
    stride: Extent = 1
    padding: int = 0
    residual: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"], *, train: bool) -> Float[Array, "b h2 w2 o"]:
        window = (self.window, self.window)
        y = Conv(self.features, window, self.stride, self.padding, dtype=self.dtype, name="conv")(x)
        y = batch_norm(train, name="norm")(y).astype(self.dtype)
        return nn.relu(y + x if self.residual else y)


class MelEncoder(nn.Module):
    """Windows of log-mel to embeddings. With `train`, batch statistics are used and updated (`batch_stats`)."""

    width: int = 32
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, mel: Float[Array, "*b 80 16"], *, train: bool) -> Float[Array, "*b {16*self.width}"]:
        x = layers(mel.reshape(-1, *mel.shape[-2:], 1), self.width, self.dtype, train=train)
        return x.reshape(*mel.shape[:-2], -1)


def layers(
    x: Float[Array, "b h w i"], width: int, dtype: DTypeLike = jnp.float32, *, train: bool, first: int = 0
) -> Float[Array, "b 1 1 {16*width}"]:
    """Layers `first` to 12 within a module's `__call__`, under the names layer_0 ... layer_12."""
    for i, (units, window, stride, padding, residual) in list(enumerate(LAYERS))[first:]:
        layer = NormedConv(units * width, window, stride, padding, residual, dtype, name=f"layer_{i}")
        x = layer(x, train=train)
    return x


def batch_norm(train: bool, **options) -> nn.BatchNorm:
    """Batch norm with PyTorch's constants, in float32."""
    return nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5, dtype=jnp.float32, **options)
