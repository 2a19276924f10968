"""The network of LPIPS: features of AlexNet or VGG-16 with a weight for each channel (Zhang et al., CVPR 2018).

    image [b, h, w, 3] --backbone--> five maps of features behind ReLU;  heads: five vectors of weights

It is run on each picture by itself, and the metric compares what comes out:

    (a, heads), (b, _) = network.apply(variables, image_a), network.apply(variables, image_b)
    distance = metrics.lpips.lpips(a, b, heads)                                                  # [b]
"""

import dataclasses
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.models import alexnet, vgg

TAPS = {
    "alex": ("relu1", "relu2", "relu3", "relu4", "relu5"),
    "vgg": ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The authors measure with `alex` and advise `vgg` for losses."""

    backbone: Literal["alex", "vgg"] = "alex"
    dtype: DTypeLike = jnp.float32


class LPIPS(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(
        self, image: Float[Array, "*b h w 3"]
    ) -> tuple[list[Float[Array, "*b _ _ _"]], list[Float[Array, "_"]]]:
        """Features of RGB pictures in [0, 1] (not [-1, 1] as the original takes), and the heads.

        Pictures need 31 pixels on each side, or 16 with VGG. Published heads are fixed and not negative; training that
        is to leave them so has to stop their gradient.
        """
        c = self.config
        if c.backbone == "alex":
            network = alexnet.AlexNet(alexnet.Config(dtype=c.dtype), name="backbone")
        else:
            network = vgg.VGG(vgg.Config(dtype=c.dtype), name="backbone")
        layers = network(image, TAPS[c.backbone])
        features = [layers[name] for name in TAPS[c.backbone]]
        heads = []
        for i, x in enumerate(features):
            head = self.param(f"head_{i}", nn.initializers.ones, x.shape[-1:], jnp.float32)
            heads.append(jnp.asarray(head))
        return features, heads
