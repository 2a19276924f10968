"""IResNet: who is in an aligned crop, as ArcFace's public PyTorch code has it (arcface_torch, Deng et al., CVPR 2019).

    crop [b, 112, 112, 3] --conv--> 64 channels --4 levels of blocks, each halves--> [b, 7, 7, 512] --dense--> [b, 512]

The crop is RGB from -1 to 1, aligned by `jaxtalk.face.align`; embeddings are compared by their cosine
(`jaxtalk.metrics.identity`), so they need not have unit length. A block normalises before its first convolution and
after both, halves in the second, and adds its input, without an activation after it.
Deep3DFaceRecon (Deng et al., CVPRW 2019) uses this same network for its perceptual loss.
"""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.conv import Conv

SIZE = 112  # pixels of a crop's side
# Blocks of each level by the published names r18, r34, r50, r100 and r200.
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3), 200: (6, 26, 60, 6)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published r50."""

    depth: int = 50
    width: int = 64
    embedding: int = 512
    dtype: DTypeLike = jnp.float32


class PReLU(nn.Module):
    """max(x, 0) + slope min(x, 0) with a slope for each channel."""

    @nn.compact
    def __call__(self, x: Float[Array, "*b c"]) -> Float[Array, "*b c"]:
        slope = self.param("slope", nn.initializers.constant(0.25), x.shape[-1:], jnp.float32)
        return jnp.where(x > 0, x, x * jnp.broadcast_to(slope.astype(x.dtype), x.shape))


class Block(nn.Module):
    features: int
    stride: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b h2 w2 f"]:
        def conv(name, window, stride=1):
            return Conv(self.features, (window, window), stride, window // 2, bias=False, dtype=self.dtype, name=name)

        y = conv("conv_1", 3)(norm(train, "norm_1")(x))
        y = PReLU(name="prelu")(norm(train, "norm_2")(y))
        y = norm(train, "norm_3")(conv("conv_2", 3, self.stride)(y))
        if self.stride > 1:
            x = norm(train, "skip_norm")(conv("skip", 1, self.stride)(x))
        return x + y


class IResNet(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(self, crop: Float[Array, "b 112 112 3"], *, train: bool = False) -> Float[Array, "b d"]:
        """Embeddings; their length says nothing."""
        c = self.config
        x = Conv(c.width, (3, 3), padding=1, bias=False, dtype=c.dtype, name="conv")(crop)
        x = PReLU(name="prelu")(norm(train, "norm")(x))
        for level, blocks in enumerate(BLOCKS[c.depth]):
            for k in range(blocks):
                block = Block(c.width << level, 2 if k == 0 else 1, c.dtype, name=f"block_{level}_{k}")
                x = block(x, train=train)
        x = norm(train, "out_norm")(x).reshape(len(x), -1)
        x = nn.Dense(c.embedding, name="embed")(x)
        return norm(train, "embed_norm")(x)


def norm(train: bool, name: str) -> nn.BatchNorm:
    return nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5, dtype=jnp.float32, name=name)
