"""Pictures that anybody with scikit-image has, for the golden values of metrics that need no reference."""

import numpy as np
import skimage.data
from PIL import Image


def cases() -> dict[str, np.ndarray]:
    """Photographs, the same averaged over 3 x 3 pixels, and with noise of up to 10 grey levels; 8 bits, grey."""
    photographs = {"camera": skimage.data.camera()}
    for name in ("astronaut", "cat"):
        photographs[name] = np.asarray(Image.fromarray(getattr(skimage.data, name)()).convert("L"))
    made = dict(photographs)
    for name, grey in photographs.items():
        levels = grey.astype(np.int64)
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(levels, 1, "edge"), (3, 3))
        noise = np.random.Generator(np.random.PCG64(0)).integers(-10, 11, grey.shape)
        made[f"{name} blurred"] = (windows.sum((-1, -2)) // 9).astype(np.uint8)
        made[f"{name} noisy"] = (levels + noise).clip(0, 255).astype(np.uint8)
    return made


def colours(grey: np.ndarray) -> np.ndarray:
    """A grey picture as the metrics take it: float32 RGB in [0, 1]."""
    return np.repeat(grey[..., None], 3, axis=-1).astype(np.float32) / 255
