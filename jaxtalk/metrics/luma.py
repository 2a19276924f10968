"""The grey picture that several metrics look at: luma of ITU-R BT.601, Y = 0.299 R + 0.587 G + 0.114 B.

It spans the full range: white is 1. This is Pillow's mode "L", OpenCV's grey and, but for the fourth digit of the
weights, MATLAB's `rgb2gray`. Traps: MATLAB's `rgb2ycbcr` gives 16 to 235 for the same picture, which moves PSNR, SSIM
and NIQE, and much super-resolution code measures on that; scikit-image's `rgb2gray` weighs by BT.709. The colours are
taken as they are stored, without undoing their gamma.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def luma(image: Float[Array, "*b h w 3"]) -> Float[Array, "*b h w"]:
    """Luma in [0, 1] of RGB in [0, 1]."""
    return 0.299 * image[..., 0] + 0.587 * image[..., 1] + 0.114 * image[..., 2]


def grey_levels(image: Float[Array, "*b h w 3"]) -> Float[Array, "*b h w"]:
    """Luma in whole numbers 0 to 255, halves upwards: the 8-bit grey picture that published code starts from."""
    return jnp.floor(255 * luma(image) + 0.5)
