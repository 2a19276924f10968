"""How networks trained on ImageNet by torchvision see a picture."""

import jax.numpy as jnp
from jaxtyping import Array, Float

MEAN = (0.485, 0.456, 0.406)  # of red, green and blue, in values from 0 to 1
DEVIATION = (0.229, 0.224, 0.225)


def normalise(image: Float[Array, "*b 3"]) -> Float[Array, "*b 3"]:
    """(image - MEAN) / DEVIATION for RGB in [0, 1].

    The scaling layer of LPIPS is the same map, written for values in [-1, 1]: its shift (-0.030, -0.088, -0.188) is
    2 MEAN - 1 and its scale (0.458, 0.448, 0.450) is 2 DEVIATION.
    """
    mean, deviation = (jnp.broadcast_to(jnp.asarray(v, image.dtype), image.shape) for v in (MEAN, DEVIATION))
    return (image - mean) / deviation
