"""Textures compared by which features occur together, wherever in the picture (Gatys et al., CVPR 2016, eq. 3, 4)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxtalk.losses.perceptual import Extract


def gram(maps: Float[Array, "b h w c"]) -> Float[Array, "b c c"]:
    """Products of each two channels, summed over the pixels, over h w c (as Johnson et al., ECCV 2016, eq. 3)."""
    pixels = maps.astype(jnp.float32).reshape(len(maps), -1, maps.shape[-1])
    return jnp.einsum("bpc,bpd->bcd", pixels, pixels, precision="highest") / (pixels.shape[1] * pixels.shape[2])


def style(
    extract: Extract, made: Float[Array, "b h w 3"], true: Float[Array, "b h w 3"], weight: float = 250.0
) -> Float[Array, "b"]:
    """Sum over maps of weight * mean |difference of Gram matrices|; the true picture is a constant.

    IP-LAP's, with its weight beside a perceptual loss of weight 1 (`jaxtalk.losses.perceptual`, of the same features).
    """
    total = jnp.zeros(len(made))
    for mine, theirs in zip(extract(made), extract(true), strict=True):
        total = total + weight * jnp.abs(gram(mine) - jax.lax.stop_gradient(gram(theirs))).mean((1, 2))
    return total
