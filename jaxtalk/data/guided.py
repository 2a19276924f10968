"""Coarse shares brought to the edges of a picture: the guided filter (He, Sun and Tang, ECCV 2010), grey guide.

In each window the shares are a line a I + b of the picture's grey I, by least squares; a pixel takes the mean of the
lines of all windows that hold it. One box filter after another: the time does not depend on the window.
"""

import numpy as np
import scipy.ndimage
from jaxtyping import Float

FLAT = 2e-4  # variance of grey below which a window counts as one surface


def sharpened(
    picture: Float[np.ndarray, "h w 3"], shares: Float[np.ndarray, "h w k"], radius: int
) -> Float[np.ndarray, "h w k"]:
    """The shares with the edges of the picture (in [0, 1]) where both have one."""
    grey = picture.mean(-1)
    mean = _mean(grey, radius)
    spread = _mean(grey * grey, radius) - mean * mean + FLAT
    columns = []
    for share in np.moveaxis(shares, -1, 0):
        about = _mean(share, radius)
        slope = (_mean(grey * share, radius) - mean * about) / spread
        columns.append(_mean(slope, radius) * grey + _mean(about - slope * mean, radius))
    return np.stack(columns, -1)


def _mean(values, radius):
    return scipy.ndimage.uniform_filter(values, 2 * radius + 1, mode="nearest")
