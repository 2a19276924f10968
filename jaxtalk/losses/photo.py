"""How far a rendering is from a photograph, pixel by pixel (Deng et al., CVPRW 2019, sec. 4.1)."""

import jax.numpy as jnp
from jaxtyping import Array, Float

_EPSILON = 1e-6  # keeps the slope of the root finite where colours agree; the published one


def photo(
    rendered: Float[Array, "b h w 3"], picture: Float[Array, "b h w 3"], attention: Float[Array, "b h w"]
) -> Float[Array, "b"]:
    """Mean Euclidean distance of colours, weighted by `attention`: how likely a pixel shows skin, 0 beyond the face.

    Without any attention the loss is 0. The published code takes the mean over the pixels of a whole batch.
    """
    distance = jnp.sqrt(jnp.sum((rendered - picture) ** 2, axis=-1) + _EPSILON)
    return jnp.sum(distance * attention, (1, 2)) / jnp.maximum(jnp.sum(attention, (1, 2)), 1.0)
