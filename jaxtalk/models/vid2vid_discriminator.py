"""The discriminator of face-vid2vid's public training code: how real is each patch of a picture?

    picture [h, w, 3] --4 x (4 x 4 conv, instance norm but in the first, leaky ReLU, means of 2 x 2 but in the last)-->
        [h/8 - 6, w/8 - 6, 512] --1 x 1 conv--> scores

At each scale of `Config.shrink` it has weights of its own and sees the picture made that much smaller; published is one
scale, the picture itself. Trained with a hinge loss and matched features.
"""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.conv import Conv
from jaxtalk.nn.pool import average_pool
from jaxtalk.nn.shrink import shrink


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published network."""

    shrink: tuple[int, ...] = (1,)
    width: int = 32
    max_width: int = 512
    blocks: int = 4
    dtype: DTypeLike = jnp.float32


class MultiScaleDiscriminator(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(self, image: Float[Array, "b h w 3"]) -> list[tuple[Float[Array, "b h2 w2"], list[Array]]]:
        """For each scale the scores of patches, float32, and the feature maps of each block."""
        return [Discriminator(self.config, name=f"scale_{k}")(shrink(image, k)) for k in self.config.shrink]


class Discriminator(nn.Module):
    config: Config

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"]) -> tuple[Float[Array, "b h2 w2"], list[Array]]:
        c = self.config
        features = []
        for k in range(c.blocks):
            x = Conv(min(c.max_width, 2 * c.width << k), (4, 4), dtype=c.dtype, name=f"conv_{k}")(x)
            if k > 0:
                x = nn.InstanceNorm(epsilon=1e-5, use_fast_variance=False, dtype=jnp.float32, name=f"norm_{k}")(x)
            x = nn.leaky_relu(x, 0.2).astype(c.dtype)
            if k < c.blocks - 1:
                x = average_pool(x, 2, 2)
            features.append(x)
        return Conv(1, (1, 1), dtype=c.dtype, name="score")(x)[..., 0].astype(jnp.float32), features
