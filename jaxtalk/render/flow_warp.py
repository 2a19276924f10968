"""Pictures moved by a flow: each pixel from where its flow points (Jaderberg et al., NIPS 2015, eq. 5)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxtalk.render import texture


def flow_warp(image: Float[Array, "b h w c"], flow: Float[Array, "b h w 2"]) -> Float[Array, "b h w c"]:
    """Bilinear samples at pixel + flow, (x right, y down) in pixels; the border's colour beyond the border.

    Differentiable in both.
    """
    height, width = image.shape[1:3]
    pixel = jnp.stack(jnp.meshgrid(jnp.arange(width) + 0.5, jnp.arange(height) + 0.5), -1)
    return jax.vmap(texture.at)(image, pixel[None] + flow)
