"""FaceFeatures: who is in an aligned crop, and what it looks like, by a small network trained on renders alone.

    crop [b, 96, 96, 3] --trunk--> maps [b, 48, 48, 16] .. [b, 6, 6, 128] --head--> unit embedding [b, 128]

The crop is RGB from -1 to 1, aligned by `jaxtalk.face.align`. The embedding stands in for ArcFace's where no published
network is at hand; the maps for those of AlexNet or Inception in perceptual distances. The trunk alone takes pictures
of any size that 16 divides.
"""

import dataclasses
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.models.landmark_net import Block, space_to_depth
from jaxtalk.nn.conv import Conv

SIZE = 96  # pixels of a crop's side


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    widths: tuple[int, ...] = (16, 32, 64, 128)  # at 48, 24, 12 and 6 pixels
    blocks: tuple[int, ...] = (0, 1, 2, 1)
    squeeze: int = 64
    embedding: int = 128
    dtype: DTypeLike = jnp.float32


class Features(NamedTuple):
    embedding: Float[Array, "b d"]  # unit length
    maps: tuple[Float[Array, "b _ _ _"], ...]  # of each level, the finest first; never negative


class Trunk(nn.Module):
    config: Config

    @nn.compact
    def __call__(self, image: Float[Array, "b h w 3"], *, train: bool = False) -> tuple[Float[Array, "b _ _ _"], ...]:
        c = self.config
        x = image.astype(c.dtype)
        maps = []
        for level, (width, blocks) in enumerate(zip(c.widths, c.blocks, strict=True)):
            x = space_to_depth(x)
            window = 3 if level == 0 else 1
            x = Conv(width, (window, window), padding=window // 2, dtype=c.dtype, name=f"halve_{level}")(x)
            x = nn.relu(_norm(train, f"norm_{level}")(x))
            for block in range(blocks):
                x = Block(width, c.dtype, name=f"block_{level}_{block}")(x, train=train)
            maps.append(x.astype(jnp.float32))
        return tuple(maps)


class FaceFeatures(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(self, crop: Float[Array, "b 96 96 3"], *, train: bool = False) -> Features:
        c = self.config
        maps = Trunk(c, name="trunk")(crop, train=train)
        x = Conv(c.squeeze, (1, 1), dtype=c.dtype, name="squeeze")(maps[-1].astype(c.dtype))
        x = nn.relu(_norm(train, "squeeze_norm")(x)).reshape(len(x), -1)
        x = _norm(train, "embed_norm")(nn.Dense(c.embedding, dtype=c.dtype, name="embed")(x))
        length = jnp.sqrt(jnp.sum(x**2, axis=-1, keepdims=True) + 1e-12)
        return Features(x / length, maps)


def maps(variables: dict, image: Float[Array, "b h w 3"], config: Config | None = None) -> tuple[Array, ...]:
    """The trunk's maps for pictures (RGB from -1 to 1) of any size that 16 divides."""
    trunk = {name: tree["trunk"] for name, tree in variables.items()}
    return Trunk(config or Config()).apply(trunk, image)


def pooled(maps: tuple[Float[Array, "b _ _ _"], ...]) -> Float[Array, "b c"]:
    """Means of all channels of all maps: one vector a picture, for statistics like those of FID."""
    return jnp.concatenate([jnp.mean(level, axis=(1, 2)) for level in maps], axis=-1)


def _norm(train: bool, name: str) -> nn.BatchNorm:
    return nn.BatchNorm(use_running_average=not train, momentum=0.95, epsilon=1e-5, dtype=jnp.float32, name=name)
