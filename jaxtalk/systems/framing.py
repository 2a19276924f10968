"""What part of a picture is animated and what the video shows: the ways of --crop.

"crop" shows a square around the head, "resize" the whole picture made smaller, "full" the whole picture as it is; with
"ext" before it, the square is larger. Networks that draw (`squeezed`) were trained on SadTalker's square and see their
part as a square, whatever its shape; its square is tighter than ours, of which a margin stays where it is.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from jaxtalk.errors import InputError
from jaxtalk.face.head_square import Square, head_square

SIDE = 3.4  # side of the square around the head, in distances from eyes to chin: hair and the start of the shoulders
EXTENDED = 1.2  # how much larger the square is with "ext": SadTalker adds a tenth on each side
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
    """Frames a picture for a renderer that works at any size.

    "crop" is a square of `size` around the head, "resize" the whole at width `size`, "full" as it is.

    Raises:
        InputError: the face is too small.
    """
    square = _around(landmarks, crop)
    x, y, side = _inside(square, image.shape)
    if crop.endswith("crop"):
        canvas, landmarks = _scaled(image[y : y + side, x : x + side], landmarks - (x, y), size, size)
        return Framing(canvas, (0, 0, size, size), landmarks)
    if crop == "resize":
        canvas, landmarks = _scaled(image, landmarks, size, _even(size * image.shape[0] / image.shape[1]))
        square = _around(landmarks, crop)
    else:
        canvas = _even_sided(image)
    x, y, side = _inside(square, canvas.shape)
    return Framing(canvas, (x, y, side, side), landmarks - (x, y))


class Squeezed(NamedTuple):
    """What a network sees of a picture, and where in the video it comes back."""

    framing: Framing  # its landmarks are those of `picture`
    picture: UInt8[np.ndarray, "s s 3"]


def squeezed(image: UInt8[np.ndarray, "h w 3"], landmarks: Float[np.ndarray, "68 2"], crop: str, size: int) -> Squeezed:
    """Frames a picture for a network that draws squares of `size`: modes and squares of SadTalker.

    Its squares are cut off at the picture's edge and then squeezed; here they are moved inside, and keep their shape.

    Raises:
        InputError: the face is too small.
    """
    _check_size(landmarks)
    square = head_square(landmarks)
    square = square._replace(side=square.side * (EXTENDED if crop.startswith("ext") else 1))
    if crop == "resize":
        height, width = image.shape[:2]
        picture, landmarks = _scaled(image, landmarks, size, size)
        canvas, _ = _scaled(image, landmarks, size, _even(size * height / width))
        return Squeezed(Framing(canvas, (0, 0, size, len(canvas)), landmarks), picture)
    canvas = _even_sided(image)
    x, y, side = _inside(square, canvas.shape)
    picture, points = _scaled(canvas[y : y + side, x : x + side], landmarks - (x, y), size, size)
    if crop.endswith("crop"):
        return Squeezed(Framing(picture, (0, 0, size, size), points), picture)
    return Squeezed(Framing(canvas, (x, y, side, side), points), picture)


def _around(landmarks, crop) -> Square:
    """The square around the head, from the eyes to the shoulders."""
    reach = _check_size(landmarks)
    eyes = landmarks[36:48].mean(0)
    side = SIDE * reach * (EXTENDED if crop.startswith("ext") else 1)
    return Square(eyes + 0.1 * (landmarks[8] - eyes), side)


def _check_size(landmarks) -> float:
    """Pixels from eyes to chin."""
    reach = float(np.linalg.norm(landmarks[8] - landmarks[36:48].mean(0)))
    if reach < SMALLEST:
        raise InputError(f"the face is too small ({reach:.0f} pixels from eyes to chin); use a larger picture")
    return reach


def _inside(square: Square, shape) -> tuple[int, int, int]:
    """Corner and even side of the square, as large as the picture allows, moved into it."""
    side = int(min(square.side, shape[0], shape[1])) // 2 * 2
    corner = np.clip(np.round(square.centre - side / 2), 0, (shape[1] - side, shape[0] - side)).astype(int)
    return int(corner[0]), int(corner[1]), side


def _even_sided(image):
    """H.264 wants even sides."""
    height, width = image.shape[:2]
    return image[: height - height % 2, : width - width % 2]


def _even(length: float) -> int:
    return max(2, round(length / 2) * 2)


def _scaled(image, landmarks, width, height):
    scale = np.array([width / image.shape[1], height / image.shape[0]])
    picture = Image.fromarray(np.ascontiguousarray(image)).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture), landmarks * scale
