"""AlexNet as an extractor of features (Krizhevsky, "One weird trick", 2014: one column, as in torchvision).

    image [b, h, w, 3] -- 5 convolutions and ReLU, max pooling behind the 1st, 2nd and last --> [b, h/32, w/32, 256]

Layers are `conv1`, `relu1`, `pool1`, `conv2`, `relu2`, `pool2`, `conv3`, `relu3`, ..., `relu5`, `pool5`. LPIPS compares
the five ReLUs. The classifier is left out, so any size from 31 pixels (63 for `pool5`) on is possible.
"""

import dataclasses
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.errors import InputError
from jaxtalk.models import imagenet
from jaxtalk.nn.conv import Conv
from jaxtalk.nn.pool import max_pool

# Name, features, window, stride and padding.
CONVOLUTIONS = (
    ("conv1", 64, 11, 4, 2),
    ("conv2", 192, 5, 1, 2),
    ("conv3", 384, 3, 1, 1),
    ("conv4", 256, 3, 1, 1),
    ("conv5", 256, 3, 1, 1),
)
POOLED = ("1", "2", "5")
# In torchvision's order of `features`.
LAYERS = tuple(
    f"{kind}{name[4]}"
    for name, *_ in CONVOLUTIONS
    for kind in ("conv", "relu", "pool")
    if kind != "pool" or name[4] in POOLED
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    dtype: DTypeLike = jnp.float32


class AlexNet(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(
        self, image: Float[Array, "*b h w 3"], taps: Sequence[str] = ("pool5",)
    ) -> dict[str, Float[Array, "*b _ _ _"]]:
        """What the layers named in `taps` give, in float32; nothing is computed behind the last of them.

        `image` is RGB in [0, 1] and is normalised inside.
        """
        if unknown := set(taps) - set(LAYERS):
            raise InputError(f"AlexNet has no layer {', '.join(sorted(unknown))}; choose from {', '.join(LAYERS)}")
        x = imagenet.normalise(image.reshape(-1, *image.shape[-3:]))
        convolutions = {name: rest for name, *rest in CONVOLUTIONS}
        seen = {}
        for name in LAYERS[: 1 + max(map(LAYERS.index, taps))]:
            if name in convolutions:
                features, window, stride, padding = convolutions[name]
                x = Conv(features, (window, window), stride, padding, dtype=self.config.dtype, name=name)(x)
            else:
                x = nn.relu(x) if name.startswith("relu") else max_pool(x, 3, 2)
            seen[name] = x
        return {name: seen[name].reshape(*image.shape[:-3], *seen[name].shape[1:]).astype(jnp.float32) for name in taps}
