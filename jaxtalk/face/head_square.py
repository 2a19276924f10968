"""The square around a head that face-vid2vid and SadTalker see: FFHQ's rule, which SadTalker's `align_face` follows."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Square(NamedTuple):
    """An upright square in a picture."""

    centre: Float[np.ndarray, "2"]  # pixels
    side: float


def head_square(landmarks: Float[np.ndarray, "68 2"]) -> Square:
    """The upright square around a turned one: as FFHQ crops, but not turned.

    The turned square has its centre a tenth of the way from the eyes to the mouth, and half its side is the larger of
    2 distances of the eyes and 1.8 of the eyes to the mouth.
    """
    left, right, mouth = (landmarks[k].mean(0) for k in (slice(36, 42), slice(42, 48), [48, 54]))
    eyes = (left + right) / 2
    across, down = right - left, mouth - eyes
    tilt = across + np.array([down[1], -down[0]])  # where the face's right is, by the eyes and by the nose's line
    half = max(2.0 * np.hypot(*across), 1.8 * np.hypot(*down)) * np.abs(tilt).sum() / max(np.hypot(*tilt), 1e-9)
    return Square(eyes + 0.1 * down, float(2 * half))
