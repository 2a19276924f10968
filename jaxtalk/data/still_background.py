"""What a still camera would see without the person: the median of what is background at each pixel, the rest filled."""

import numpy as np
import scipy.ndimage
from jaxtyping import Bool, UInt8

MOST = 200  # frames, evenly spread
NONE = 6  # of 255: share of person up to which a pixel is background
LEAST = 3  # frames in which a pixel must be background
ROWS = 32  # worked at together: bounds memory
GREY = 127  # where the background is never seen at all


def picture(
    pictures: UInt8[np.ndarray, "t s s 3"], labels: UInt8[np.ndarray, "t s s 2"]
) -> tuple[UInt8[np.ndarray, "s s 3"], Bool[np.ndarray, "s s"]]:
    """The background, and where it was seen. What was never seen takes the colour of the nearest pixel that was,
    blurred the more the further away that is.
    """
    chosen = np.unique(np.linspace(0, len(pictures) - 1, MOST).astype(int))
    median = np.zeros(pictures.shape[1:], np.float32)
    seen = np.zeros(pictures.shape[1:3], bool)
    for top in range(0, len(seen), ROWS):
        rows = slice(top, top + ROWS)
        free = np.stack([labels[k, rows].astype(int).sum(-1) <= NONE for k in chosen])
        values = np.where(free[..., None], np.stack([pictures[k, rows] for k in chosen]), np.float32(np.nan))
        seen[rows] = free.sum(0) >= min(LEAST, len(chosen))
        values[:, ~seen[rows]] = 0.0
        median[rows] = np.nanmedian(values, axis=0)
    return np.uint8(np.clip(_filled(median, seen) + 0.5, 0, 255)), seen


def _filled(median, seen):
    if not seen.any():
        return np.full_like(median, GREY)
    distance, nearest = scipy.ndimage.distance_transform_edt(~seen, return_indices=True)
    filled = median[tuple(nearest)]
    for sigma in (2.0, 4.0, 8.0, 16.0):
        smooth = scipy.ndimage.gaussian_filter(filled, (sigma, sigma, 0), mode="nearest")
        filled = np.where((distance > sigma)[..., None], smooth, filled)
    return filled
