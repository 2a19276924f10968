"""VGG-16 and VGG-19 as extractors of features (Simonyan and Zisserman, ICLR 2015, columns D and E).

    image [b, h, w, 3] -- 5 blocks of 3x3 convolutions and ReLU, each closed by 2x2 max pooling --> [b, h/32, w/32, 512]

Layers go by the usual names: convolution 2 of block 3 gives `conv3_2` before and `relu3_2` after ReLU, and `pool3`
follows the last of block 3. torchvision counts all of them through in `features`, and its ReLU writes over the
convolution's output, so what others call features of a convolution is often behind ReLU. Perceptual losses differ in
the layers they take: face-vid2vid compares `relu1_1` to `relu5_1` of VGG-19, LPIPS the last ReLU of each block of
VGG-16. The classifier is left out, so any size from 16 (`relu5_1`) or 32 (`pool5`) pixels on is possible.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.errors import InputError
from jaxtalk.models import imagenet
from jaxtalk.nn.conv import Conv
from jaxtalk.nn.pool import max_pool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are VGG-16."""

    convolutions: tuple[int, ...] = (2, 2, 3, 3, 3)  # in each block
    widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    dtype: DTypeLike = jnp.float32

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Config":
        """From JSON values, as `io.weights` keeps them."""
        return cls(**{name: tuple(value) for name, value in values.items()})

    @property
    def layers(self) -> tuple[str, ...]:
        """All names in order, which is torchvision's order of `features`."""
        names = []
        for block, count in enumerate(self.convolutions, 1):
            names += [f"{kind}{block}_{i}" for i in range(1, count + 1) for kind in ("conv", "relu")]
            names.append(f"pool{block}")
        return tuple(names)


VGG16 = Config()
VGG19 = Config(convolutions=(2, 2, 4, 4, 4))


class VGG(nn.Module):
    config: Config = VGG16

    @nn.compact
    def __call__(
        self, image: Float[Array, "*b h w 3"], taps: Sequence[str] = ("pool5",)
    ) -> dict[str, Float[Array, "*b _ _ _"]]:
        """What the layers named in `taps` give, in float32; nothing is computed behind the last of them.

        `image` is RGB in [0, 1] and is normalised inside.
        """
        layers = self.config.layers
        if unknown := set(taps) - set(layers):
            raise InputError(f"VGG has no layer {', '.join(sorted(unknown))}; choose from {', '.join(layers)}")
        x = imagenet.normalise(image.reshape(-1, *image.shape[-3:]))
        seen = {}
        for name in layers[: 1 + max(map(layers.index, taps))]:
            if name.startswith("conv"):
                width = self.config.widths[int(name[4]) - 1]
                x = Conv(width, (3, 3), padding=1, dtype=self.config.dtype, name=name)(x)
            else:
                x = nn.relu(x) if name.startswith("relu") else max_pool(x, 2, 2)
            seen[name] = x
        return {name: seen[name].reshape(*image.shape[:-3], *seen[name].shape[1:]).astype(jnp.float32) for name in taps}
