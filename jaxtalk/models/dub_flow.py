"""SFM: a picture of a person, moved to where a 3D render has the face (Chen and Xiong, Acta Electronica Sinica 2025).

    render [h, w, 3], reference [h, w, 3] --U-Net--> flow [h, w, 2] in pixels
    reference, flow --bilinear samples at each pixel + its flow--> warped [h, w, 3]

The samples are those of a spatial transformer (`jaxtalk.render.flow_warp`). Trained alone by L1 and SSIM between
`warped` and the true picture. The paper's text was not at hand: known are its parts, their inputs and losses, the size
of 192 pixels and this part's 38.7 million parameters; layers here are ours, near that number (39.7 million). The last
convolution starts at zero, so that an untrained network moves nothing.
"""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.conv import Conv
from jaxtalk.nn.unet import Contract, Expand
from jaxtalk.render.flow_warp import flow_warp


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    widths: tuple[int, ...] = (64, 128, 256, 512, 512, 512, 512)
    """Of the U-Net at each size, from the picture's own, each half the one before."""
    dtype: DTypeLike = jnp.float32


class FlowNet(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(
        self, render: Float[Array, "b h w 3"], reference: Float[Array, "b h w 3"]
    ) -> tuple[Float[Array, "b h w 3"], dict[str, Array]]:
        """The reference warped, colours as given, float32; aux["flow"] [b, h, w, 2], (x right, y down) in pixels."""
        c = self.config
        *skips, x = Contract(c.widths, c.dtype, name="down")(2 * jnp.concatenate([render, reference], -1) - 1)
        for k, skip in reversed(list(enumerate(skips))):
            x = Expand(c.widths[k], c.dtype, name=f"up_{k}")(x, skip)
        flow = Conv(2, (3, 3), padding=1, dtype=c.dtype, kernel_init=nn.initializers.zeros, name="flow")(x)
        flow = flow.astype(jnp.float32)
        return flow_warp(reference.astype(jnp.float32), flow), {"flow": flow}
