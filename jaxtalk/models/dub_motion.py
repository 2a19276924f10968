"""TMN: a 3D render given a person's texture (Chen and Xiong, Acta Electronica Sinica 2025).

    reference and face without its mouth [h, w, 6] --convolutions--> [h/8, w/8, 4 n]                        (n = 64)
        --5 blocks, up to full size, each modulated by the render (SPADE)--> features [h, w, n]
    features --two convolutions--> colour [h, w, 3], attention [h, w, 1]
    picture = attention colour + (1 - attention) render

So attention says where the render's own colours will not do. Trained like SFM (`jaxtalk.models.dub_flow`) by L1 and
SSIM; the features of its last blocks go on to `jaxtalk.models.dub_fusion`. The paper's text was not at hand: known are
masks of colour and attention, SPADE in the decoder and 12.5 million parameters; that the masks choose between a painted
colour and the render, and all layers (12.2 million), are ours.
"""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.models.spade_decoder import SLOPE, SpadeBlock
from jaxtalk.nn.conv import Conv
from jaxtalk.nn.instance_norm import normalised
from jaxtalk.nn.pool import average_pool
from jaxtalk.nn.unet import Contract


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    width: int = 64
    hidden: int = 128  # of SPADE's modulation
    dtype: DTypeLike = jnp.float32

    @property
    def features(self) -> tuple[int, int, int]:
        """Channels of the features at full, half and quarter size."""
        return self.width, 2 * self.width, 4 * self.width


class TextureNet(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(
        self,
        render: Float[Array, "b h w 3"],
        reference: Float[Array, "b h w 3"],
        cropped: Float[Array, "b h w 3"],
    ) -> tuple[Float[Array, "b h w 3"], dict[str, Array]]:
        """A picture from 0 to 1, float32.

        aux has `colour` [b, h, w, 3], `attention` [b, h, w, 1] from 0 to 1, and `features_0`, `features_1`,
        `features_2` at full, half and quarter size. Height and width are multiples of 8.
        """
        c, n = self.config, self.config.width
        given = 2 * jnp.concatenate([reference, cropped], -1) - 1
        x = Contract((n, 2 * n, 4 * n, 4 * n), c.dtype, name="down")(given)[-1]
        x = nn.relu(normalised(Conv(4 * n, (3, 3), padding=1, dtype=c.dtype, name="middle")(x))).astype(c.dtype)
        labels = [2 * (render if k == 0 else average_pool(render, 1 << k, 1 << k)) - 1 for k in range(4)]
        aux = {}
        for name, features, level in (
            ("middle_0", 4 * n, 3),
            ("middle_1", 4 * n, 3),
            ("up_2", 4 * n, 2),
            ("up_1", 2 * n, 1),
            ("up_0", n, 0),
        ):
            x = SpadeBlock(features, 1, c.hidden, c.dtype, name=name)(x, labels[level].astype(c.dtype))
            aux[f"features_{level}"] = x
        x = nn.leaky_relu(x, SLOPE)

        def mask(channels: int, name: str) -> Array:
            logits = Conv(channels, (3, 3), padding=1, dtype=c.dtype, name=name)(x)
            return nn.sigmoid(logits.astype(jnp.float32))

        colour, attention = mask(3, "colour"), mask(1, "attention")
        picture = attention * colour + (1 - attention) * render.astype(jnp.float32)
        del aux["features_3"]
        return picture, aux | {"colour": colour, "attention": attention}
