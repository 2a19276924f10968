"""Pictures made smaller without aliasing, as first-order motion models and face-vid2vid do it."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def shrink(image: Float[Array, "b h w c"], factor: int) -> Float[Array, "b h2 w2 c"]:
    """Every `factor`-th pixel, from the first on, of the picture blurred by a Gaussian; float32.

    Its deviation is (factor - 1) / 2 pixels, its window 2 round(4 deviation) + 1; outside the picture is zero, so the
    rim darkens. Blur and choice are one banded matrix per axis.
    """
    if factor == 1:
        return image.astype(jnp.float32)
    down, across = (jnp.asarray(_matrix(size, factor)) for size in image.shape[1:3])
    image = image.astype(jnp.float32)
    return jnp.einsum("ih,bhwc,jw->bijc", down, image, across, precision="highest")


def _matrix(size: int, factor: int) -> np.ndarray:
    """[size / factor, size]: row i holds the window around pixel i * factor."""
    deviation = (factor - 1) / 2
    reach = round(4 * deviation)
    distance = np.arange(size) - np.arange(0, size, factor)[:, None]
    weight = np.exp(-(distance**2) / (2 * deviation**2)) * (abs(distance) <= reach)
    whole = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * deviation**2)).sum()
    return (weight / whole).astype(np.float32)
