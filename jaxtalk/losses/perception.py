"""How much a rendering looks like another person (Deng et al., CVPRW 2019, sec. 4.2)."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float


def perception(
    embed: Callable[[Array], Array], rendered: Float[Array, "b h w 3"], picture: Float[Array, "b h w 3"]
) -> Float[Array, "b"]:
    """1 - cosine of the embeddings of two crops; 0 for one person, at most 2.

    `embed` is a face recognition network with fixed weights, crops [b h w 3] (RGB from 0 to 1) -> [b d]: ArcFace in the
    published code. Name it beside the numbers.
    """
    first, second = (_unit(embed(crops)) for crops in (rendered, picture))
    return 1.0 - jnp.sum(first * second, axis=-1)


def _unit(x):
    return x / jnp.sqrt(jnp.sum(x**2, axis=-1, keepdims=True) + 1e-12)
