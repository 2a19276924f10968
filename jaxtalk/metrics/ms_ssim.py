"""MS-SSIM: structural similarity on five scales (Wang, Simoncelli and Bovik, Asilomar 2003). From 0 to 1, 1 is best.

    MS-SSIM = SSIM_5^w_5 * CS_1^w_1 * CS_2^w_2 * CS_3^w_3 * CS_4^w_4     (eq. 7)

CS is SSIM's factor for contrast and structure, averaged over the image; scale s + 1 is made of the means of 2 x 2
pixels of scale s, where an odd last row or column stands for two. Taken of each channel, then averaged. Traps:

- A negative term (an inverted picture) has no such power. It counts as 0, as in most implementations, and makes the
  product 0 with gradients that are not finite there.
- Code differs in whether the channels are averaged before the product or after it, as here, and in the odd rows.
- The published exponents add up to 1.0001 and are used as they are.
- It sees less than SSIM of what is small in the picture, lips included: the finest scale has 4 % of the weight.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxtalk.metrics import ssim

EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # finest scale first (sec. 3.2)


def ms_ssim(image: Float[Array, "*b h w c"], reference: Float[Array, "*b h w c"]) -> Float[Array, "*b"]:
    """MS-SSIM of each frame. ValueError for less than 161 pixels a side, of which the fifth scale keeps 11."""
    scales = len(EXPONENTS)
    if min(image.shape[-3:-1]) <= (len(ssim.GAUSSIAN) - 1) * 2 ** (scales - 1):
        raise ValueError(f"MS-SSIM needs 161 pixels a side, the images are {image.shape[-3]} x {image.shape[-2]}")
    product = jnp.ones((), image.dtype)
    for scale, exponent in enumerate(EXPONENTS, 1):
        similarity, contrast = ssim.terms(image, reference, ssim.GAUSSIAN)
        product *= jnp.maximum(similarity if scale == scales else contrast, 0) ** exponent
        image, reference = halve(image), halve(reference)
    return product.mean(-1)


def halve(image: Float[Array, "*b h w c"]) -> Float[Array, "*b (h+1)//2 (w+1)//2 c"]:
    """Means of 2 x 2 pixels; an odd last row or column is doubled."""
    *batch, height, width, channels = image.shape
    image = jnp.pad(image, [(0, 0)] * len(batch) + [(0, height % 2), (0, width % 2), (0, 0)], "edge")
    blocks = image.reshape(*batch, (height + 1) // 2, 2, (width + 1) // 2, 2, channels)
    return blocks.mean((-4, -2))
