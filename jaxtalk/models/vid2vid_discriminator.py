"""The discriminator of face-vid2vid's public training code: how real is each patch of a picture?

    picture [h, w, 3] --4 x (4 x 4 conv, instance norm but in the first, leaky ReLU, means of 2 x 2 but in the last)-->
        [h/8 - 6, w/8 - 6, 512] --1 x 1 conv--> scores

At each scale of `Config.shrink` it has weights of its own and sees the picture made that much smaller; published is one
scale, the picture itself. Trained with a hinge loss, matched features and spectral norm, which converted weights have
folded in.
"""

import dataclasses
import functools

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.conv import Conv
from jaxtalk.nn.pool import average_pool
from jaxtalk.nn.shrink import shrink
from jaxtalk.nn.spectral_norm import SpectralConv


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published network."""

    shrink: tuple[int, ...] = (1,)
    width: int = 32
    max_width: int = 512
    blocks: int = 4
    spectral: bool = False  # divide each kernel by its largest singular value, which training follows
    dtype: DTypeLike = jnp.float32


class MultiScaleDiscriminator(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(
        self, image: Float[Array, "b h w 3"], *, train: bool = False
    ) -> list[tuple[Float[Array, "b h2 w2"], list[Array]]]:
        """For each scale the scores of patches, float32, and the feature maps of each block."""
        return [Discriminator(self.config, name=f"scale_{k}")(shrink(image, k), train) for k in self.config.shrink]


class Discriminator(nn.Module):
    config: Config

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"], train: bool) -> tuple[Float[Array, "b h2 w2"], list[Array]]:
        c = self.config

        def conv(features: int, window: int, name: str):
            sizes = features, (window, window)
            if c.spectral:
                return functools.partial(SpectralConv(*sizes, dtype=c.dtype, name=name), train=train)
            return Conv(*sizes, dtype=c.dtype, name=name)

        features = []
        for k in range(c.blocks):
            x = conv(min(c.max_width, 2 * c.width << k), 4, f"conv_{k}")(x)
            if k > 0:
                x = nn.InstanceNorm(epsilon=1e-5, use_fast_variance=False, dtype=jnp.float32, name=f"norm_{k}")(x)
            x = nn.leaky_relu(x, 0.2).astype(c.dtype)
            if k < c.blocks - 1:
                x = average_pool(x, 2, 2)
            features.append(x)
        return conv(1, 1, "score")(x)[..., 0].astype(jnp.float32), features
