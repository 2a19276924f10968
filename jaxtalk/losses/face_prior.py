"""What keeps a reconstructed face plausible where the picture says little (Deng et al., CVPRW 2019, sec. 4.3)."""

import jax.numpy as jnp
from jaxtyping import Array, Float

IDENTITY, EXPRESSION, TEXTURE = 1.0, 0.8, 1.7e-2  # published weights of the kinds of coefficients


def plain_face(
    identity: Float[Array, "b i"], expression: Float[Array, "b e"], texture: Float[Array, "b t"]
) -> Float[Array, "b"]:
    """Squared coefficients, summed: the face should be near the mean one. In units of standard deviations."""
    kinds = ((IDENTITY, identity), (EXPRESSION, expression), (TEXTURE, texture))
    return sum(weight * jnp.sum(values**2, axis=-1) for weight, values in kinds)


def even_albedo(albedo: Float[Array, "b v 3"], skin: Float[Array, "v"]) -> Float[Array, "b"]:
    """Variance of the colours of those vertices that are plain skin, summed over the channels."""
    weight = (skin / jnp.maximum(skin.sum(), 1.0))[None, :, None]
    mean = jnp.sum(albedo * weight, axis=1, keepdims=True)
    return jnp.sum((albedo - mean) ** 2 * weight, (1, 2))


def grey_light(light: Float[Array, "b 27"]) -> Float[Array, "b"]:
    """Variance of the light among red, green and blue, mean over the nine harmonics (of the published code)."""
    by_colour = light.reshape(-1, 3, 9)
    return jnp.mean((by_colour - by_colour.mean(1, keepdims=True)) ** 2, (1, 2))
