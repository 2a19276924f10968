"""LandmarkNet: 68 landmarks of one face, with their uncertainty, from a small crop.

    crop [b, 80, 80, 3] --residual convolutions--> [b, 5, 5, 128] --dense--> 68 points, their spread, face or not

Points are regressed with a Gaussian likelihood, which lets the network say where it is unsure (hidden points, no face):
Wood et al., "3D face reconstruction with dense landmarks", ECCV 2022, eq. 1, who also train on renders alone.
"""

import dataclasses
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.conv import Conv

SIZE = 80  # pixels of a crop's side


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    widths: tuple[int, ...] = (16, 32, 64, 128)  # at 40, 20, 10 and 5 pixels
    blocks: tuple[int, ...] = (0, 1, 1, 1)
    hidden: int = 256
    dtype: DTypeLike = jnp.float32


class Prediction(NamedTuple):
    """In units of the crop: (0, 0) is its top left corner, (1, 1) its bottom right one."""

    landmarks: Float[Array, "b 68 2"]
    log_spread: Float[Array, "b 68"]  # log of the standard deviation of each coordinate
    face: Float[Array, "b"]  # logit: positive where the crop holds a face


class Block(nn.Module):
    """Two normed convolutions and the input again (He et al. 2016)."""

    features: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b h w c"]:
        y = nn.relu(_norm(train, "norm_0")(Conv(self.features, (3, 3), padding=1, dtype=self.dtype, name="conv_0")(x)))
        y = _norm(train, "norm_1")(Conv(self.features, (3, 3), padding=1, dtype=self.dtype, name="conv_1")(y))
        return nn.relu(x + y)


class LandmarkNet(nn.Module):
    config: Config

    @nn.compact
    def __call__(self, crop: Float[Array, "b 80 80 3"], *, train: bool = False) -> Prediction:
        """`crop` holds colours from 0 to 1."""
        c = self.config
        x = (crop.astype(c.dtype) - 0.5) / 0.25
        for level, (width, blocks) in enumerate(zip(c.widths, c.blocks, strict=True)):
            # Halving by folding 2 x 2 pixels into channels: its gradient is a plain convolution's, fast everywhere.
            x = space_to_depth(x)
            window = 3 if level == 0 else 1
            x = Conv(width, (window, window), padding=window // 2, dtype=c.dtype, name=f"halve_{level}")(x)
            x = nn.relu(_norm(train, f"norm_{level}")(x))
            for block in range(blocks):
                x = Block(width, c.dtype, name=f"block_{level}_{block}")(x, train=train)
        x = nn.relu(Conv(32, (1, 1), dtype=c.dtype, name="squeeze")(x))
        x = nn.relu(nn.Dense(c.hidden, dtype=c.dtype, name="hidden")(x.reshape(len(x), -1)))
        out = nn.Dense(68 * 3 + 1, dtype=c.dtype, name="out", kernel_init=nn.initializers.normal(1e-3))(x)
        out = out.astype(jnp.float32)
        landmarks = 0.5 + out[:, : 68 * 2].reshape(-1, 68, 2)
        return Prediction(landmarks, out[:, 68 * 2 : 68 * 3] - 2.0, out[:, -1])


def space_to_depth(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c4"]:
    """Folds 2 x 2 pixels into channels."""
    b, h, w, c = x.shape
    x = x.reshape(b, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(b, h // 2, w // 2, 4 * c)


def _norm(train: bool, name: str) -> nn.BatchNorm:
    return nn.BatchNorm(use_running_average=not train, momentum=0.95, epsilon=1e-5, dtype=jnp.float32, name=name)
