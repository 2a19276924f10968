"""SSIM: structural similarity (Wang, Bovik, Sheikh and Simoncelli, IEEE TIP 2004). From -1 to 1, 1 is best.

Of means m, variances v and covariance c of two images x, y in a sliding window, with C1 = 0.01^2 and C2 = 0.03^2 for
images in [0, 1]:

    SSIM = (2 m_x m_y + C1) / (m_x^2 + m_y^2 + C1) * (2 c + C2) / (v_x + v_y + C2)     (eq. 13)

averaged over all places where the window fits, then over the channels. Settings differ between tools, and so do the
figures by up to some hundredths. Here are the two common ones, equal to scikit-image's `structural_similarity`:

- `ssim`: Gaussian window of 11 x 11 pixels, sigma 1.5, as in the paper (sec. III-C) and nearly all papers since;
  scikit-image's `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`;
- `ssim_uniform`: 7 x 7 pixels, all alike, with variances over n - 1: scikit-image's defaults.

The paper measures grey pictures: `ssim(luma(x)[..., None], luma(y)[..., None])`. More traps: the authors' newer
`ssim.m` first shrinks images of more than 256 pixels a side, by a whole factor; code that pads the borders counts more
places; scikit-image without `data_range=1` takes a range of 2 for floating point. Two black images are alike (1).
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxtalk.metrics import windows

GAUSSIAN = windows.gaussian(11, 1.5)
_C1, _C2 = 0.01**2, 0.03**2


def ssim(image: Float[Array, "*b h w c"], reference: Float[Array, "*b h w c"]) -> Float[Array, "*b"]:
    """SSIM of each frame as in the paper. ValueError for less than 11 pixels a side."""
    return terms(image, reference, GAUSSIAN)[0].mean(-1)


def ssim_uniform(image: Float[Array, "*b h w c"], reference: Float[Array, "*b h w c"]) -> Float[Array, "*b"]:
    """SSIM of each frame with scikit-image's defaults. ValueError for less than 7 pixels a side."""
    return terms(image, reference, windows.uniform(7), 49 / 48)[0].mean(-1)


def terms(
    image: Float[Array, "*b h w c"],
    reference: Float[Array, "*b h w c"],
    window: windows.Window,
    correction: float = 1.0,
) -> tuple[Float[Array, "*b c"], Float[Array, "*b c"]]:
    """SSIM of each channel, and the same without the first factor, which compares the means (contrast and structure).

    Variances are multiplied by `correction`.
    """
    # Variances are differences of means of squares, which costs digits. Less is lost about the images' own means, and
    # from 1 - var(x - y) / (v_x + v_y + C2), which is the contrast factor too: where x is near y, all is small.
    base_x, base_y = (values.mean((-3, -2), keepdims=True) for values in (image, reference))
    x, y = image - base_x, reference - base_y
    mean_x, mean_y, squares, change = windows.within(jnp.stack([x, y, x * x + y * y, (x - y) ** 2]), window)
    variances = correction * (squares - mean_x**2 - mean_y**2)
    contrast = 1 - correction * (change - (mean_x - mean_y) ** 2) / (variances + _C2)
    mean_x, mean_y = mean_x + base_x, mean_y + base_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    return (luminance * contrast).mean((-3, -2)), contrast.mean((-3, -2))
