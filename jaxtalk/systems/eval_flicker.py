"""Temporal flicker of a video: optical flow by scikit-image (extra `eval`), and the warping error along it."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from jaxtalk.errors import InputError
from jaxtalk.metrics import flicker

_SIDE = 256  # pixels: longer side at which flow is found and frames are compared, so that sizes can be compared


class Flicker:
    """Takes frames one after the other; a second or so each."""

    def __init__(self):
        self._flow, self._last, self._errors = _estimator(), None, []

    def see(self, frame: UInt8[np.ndarray, "h w 3"]) -> None:
        picture = Image.fromarray(frame)
        picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BICUBIC)
        this = np.asarray(picture, np.float32) / 255.0
        if self._last is not None:
            grey = [side.mean(-1) for side in (self._last, this)]
            forward, backward = self._between(*grey), self._between(*grey[::-1])
            self._errors.append(float(_error(jnp.stack([self._last, this]), forward, backward)))
        self._last = this

    def _between(self, one, other) -> Float[np.ndarray, "h w 2"]:
        down, right = self._flow(one, other)
        return np.stack([right, down], -1).astype(np.float32)

    def series(self) -> Float[np.ndarray, "t"]:
        """The error from each frame to the next; the last frame has none."""
        return np.array([*self._errors, np.nan], np.float32)


@jax.jit
def _error(frames, forward, backward):
    return flicker.warping_error(frames, forward[None], flicker.visible(forward, backward)[None])[0]


def _estimator():
    try:
        from skimage.registration import optical_flow_ilk
    except ImportError as error:
        raise InputError("--metrics flicker: needs scikit-image for optical flow; install jaxtalk[eval]") from error
    return optical_flow_ilk
