"""Weighted means in a window that slides over an image, one axis after the other.

Each axis is a product with a banded matrix. That does more arithmetic than a window needs, but on two busy CPU cores it
was six times as fast as convolutions with the same window and 1.5 times as fast as sums of shifted images (11 taps,
256 x 256). The products are float32 everywhere: at the default precision of GPUs and TPUs the differences of squares
that metrics take of such means would be lost.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Window = Float[np.ndarray, "k"]  # odd, of sum 1


def gaussian(size: int, sigma: float) -> Window:
    offsets = np.arange(size) - size // 2
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    return weights / weights.sum()


def uniform(size: int) -> Window:
    return np.full(size, 1 / size)


def within(image: Float[Array, "*b h w c"], window: Window) -> Float[Array, "*b h-{len(window)-1} w-{len(window)-1} c"]:
    """The means where the whole window lies in the image. ValueError if there is no such place."""
    height, width = image.shape[-3:-1]
    if min(height, width) < len(window):
        raise ValueError(f"a window of {len(window)} pixels does not fit into an image of {height} x {width}")
    reach = len(window) // 2
    return _product(image, *(_band(window, size)[reach : size - reach] for size in (height, width)))


def everywhere(image: Float[Array, "*b h w c"], window: Window) -> Float[Array, "*b h w c"]:
    """The means at every pixel, at the border over that part of the window that lies in the image."""
    bands = [_band(window, size) for size in image.shape[-3:-1]]
    return _product(image, *(band / band.sum(1, keepdims=True) for band in bands))


def _band(window: Window, size: int) -> Float[np.ndarray, "n n"]:
    tap = np.arange(size)[None] - np.arange(size)[:, None] + len(window) // 2
    return np.where((tap >= 0) & (tap < len(window)), window[tap.clip(0, len(window) - 1)], 0)


def _product(image, rows, columns):
    precision = jax.lax.Precision.HIGHEST
    image = jnp.einsum("ih,...hwc->...iwc", jnp.asarray(rows, image.dtype), image, precision=precision)
    return jnp.einsum("jw,...iwc->...ijc", jnp.asarray(columns, image.dtype), image, precision=precision)
