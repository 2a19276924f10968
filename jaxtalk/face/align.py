"""Crops whose eyes, nose and mouth lie where networks of face recognition expect them (ArcFace, CVPR 2019, sec. 3.1).

    68 landmarks --five points--> similarity onto the template --> Frame --bilinear--> crop

The template is that of the published code, whose numbers count pixel centres (0 is the middle of the first pixel). Ours
count pixel edges, so half a pixel is added. Crops of another size than 112 are the same at another resolution.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8
from PIL import Image

from jaxtalk.face.crop import Frame
from jaxtalk.face.detect import cut

SIZE = 112  # pixels: side of the published crops, in which the template is given
# Middles of the image's left and right eye, tip of the nose, the mouth's left and right corner; x and y.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)


def five_points(landmarks: Float[Array, "*b 68 2"]) -> Float[Array, "*b 5 2"]:
    """Middles of the eyes, tip of the nose, corners of the mouth."""
    eyes = [landmarks[..., first : first + 6, :].mean(-2) for first in (36, 42)]
    return jnp.stack([*eyes, *(landmarks[..., k, :] for k in (30, 48, 54))], axis=-2)


def aligned_frame(landmarks: Float[Array, "*b 68 2"]) -> Frame:
    """The turned square whose crop has the five points nearest to the template, in the least squares of its pixels.

    Turning, growing and moving only, never mirrored (Umeyama, PAMI 1991): with points as complex numbers about their
    means, p of the picture and q of the template, q = a p with a = sum conj(p) q / sum |p|^2.
    """
    points = five_points(landmarks)
    middle = points.mean(-2)
    x, y = jnp.moveaxis(points - middle[..., None, :], -1, 0)
    goal = TEMPLATE + 0.5
    offset = np.broadcast_to(goal - goal.mean(0), points.shape)
    along = (x * offset[..., 0] + y * offset[..., 1]).sum(-1)  # real part of sum conj(p) q
    across = (x * offset[..., 1] - y * offset[..., 0]).sum(-1)  # imaginary part
    scale = (x**2 + y**2).sum(-1) / jnp.maximum(jnp.hypot(along, across), 1e-12)  # pixels of the picture in one of ours
    angle = -jnp.arctan2(across, along)
    # The crop's middle, seen from the five points' mean, turned and scaled back into the picture.
    right, down = SIZE / 2 - goal.mean(0)
    c, s = jnp.cos(angle), jnp.sin(angle)
    step = jnp.stack([c * right - s * down, s * right + c * down], axis=-1)
    return Frame(middle + scale[..., None] * step, SIZE * scale, angle)


def aligned(
    picture: UInt8[np.ndarray, "h w 3"], landmarks: Float[np.ndarray, "68 2"], size: int = SIZE
) -> UInt8[np.ndarray, "size size 3"]:
    """The aligned crop of one face, bilinear.

    Where a face is more than 1.5 times as large as its crop, whole pixels are averaged first; the published code does
    not, and its crops of large faces are rougher. Beyond the picture its border continues (published: black).
    """
    frame = aligned_frame(jnp.asarray(landmarks, jnp.float32))
    return cut(Image.fromarray(picture), Frame(*(np.asarray(value) for value in frame)), size)
