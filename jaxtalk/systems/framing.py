"""What part of a picture is animated and what the video shows: the three ways of --crop."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from jaxtalk.errors import InputError

SIDE = 3.4  # side of the square around the head, in distances from eyes to chin: hair and the start of the shoulders
SMALLEST = 12.0  # pixels from eyes to chin; less shows nothing that could speak


class Framing(NamedTuple):
    """The picture at the video's resolution, and the part of it that moves."""

    canvas: UInt8[np.ndarray, "h w 3"]
    region: tuple[int, int, int, int]  # x, y, width, height in the canvas
    landmarks: Float[np.ndarray, "68 2"]  # in pixels of the region

    @property
    def face(self) -> UInt8[np.ndarray, "rh rw 3"]:
        x, y, width, height = self.region
        return self.canvas[y : y + height, x : x + width]

    def paste(self, face: UInt8[np.ndarray, "rh rw 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """The canvas with a drawn region. No feathering: renderers leave the region's border where it was."""
        x, y, width, height = self.region
        frame = self.canvas.copy()
        frame[y : y + height, x : x + width] = face
        return frame


def frame(image: UInt8[np.ndarray, "h w 3"], landmarks: Float[np.ndarray, "68 2"], crop: str, size: int) -> Framing:
    """Frames a picture: "crop" a square of `size` around the head, "resize" the whole at width `size`, "full" as it is.

    Raises:
        InputError: the face is too small.
    """
    square = _square(landmarks, image.shape)
    if crop == "crop":
        x, y, side = square
        canvas, landmarks = _scaled(image[y : y + side, x : x + side], landmarks - (x, y), size, size)
        return Framing(canvas, (0, 0, size, size), landmarks)
    height, width = image.shape[:2]
    if crop == "resize":
        canvas, landmarks = _scaled(image, landmarks, size, max(2, round(size * height / width / 2) * 2))
    else:
        canvas = image[: height - height % 2, : width - width % 2]  # H.264 wants even sides
    x, y, side = _square(landmarks, canvas.shape)
    return Framing(canvas, (x, y, side, side), landmarks - (x, y))


def _square(landmarks, shape) -> tuple[int, int, int]:
    """Corner and even side of the square around the head, as large as the picture allows."""
    eyes = landmarks[36:48].mean(0)
    reach = np.linalg.norm(landmarks[8] - eyes)
    if reach < SMALLEST:
        raise InputError(f"the face is too small ({reach:.0f} pixels from eyes to chin); use a larger picture")
    side = int(min(SIDE * reach, shape[0], shape[1])) // 2 * 2
    centre = eyes + 0.1 * (landmarks[8] - eyes)
    corner = np.clip(np.round(centre - side / 2), 0, (shape[1] - side, shape[0] - side)).astype(int)
    return int(corner[0]), int(corner[1]), side


def _scaled(image, landmarks, width, height):
    scale = np.array([width / image.shape[1], height / image.shape[0]])
    picture = Image.fromarray(np.ascontiguousarray(image)).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture), landmarks * scale
