"""Pictures from files of unknown origin, as uint8 [h w 3] RGB arrays, upright.

What a picture may be and what becomes of it: turned as EXIF says; palettes, grey, CMYK and 16 bits to 8-bit RGB;
transparency over white; of an animation or a video the first frame; too many pixels scaled down, with a message.
"""

import io
import logging
import math
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jaxtalk.errors import InputError
from jaxtalk.io import container, output

log = logging.getLogger("jaxtalk")

# Pillow knows more, some of which call other programs (EPS) or other files; these are one self-contained picture.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "GIF", "TIFF", "MPO", "PPM")
LARGEST = 160_000_000  # pixels to decode at all: 480 MB
HEIF = (b"heic", b"heix", b"hevc", b"mif1", b"msf1")  # ISO brands that FFmpeg would take for a video of tiles

Image = UInt8[np.ndarray, "h w 3"]


def load(path: str | Path, max_pixels: int = 4096 * 4096) -> Image:
    """The picture in a file; more than `max_pixels` are scaled down to that, with a message.

    Raises:
        InputError: no file, no picture or video in it, cut off, or larger than `LARGEST`, which is seen in the header
            before anything is decoded.
    """
    import PIL.Image

    container.check(path)
    with open(path, "rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp" and head[8:12] in HEIF:
        raise InputError(f"{path}: is a HEIC picture, which cannot be read; save it as JPEG or PNG")
    PIL.Image.init()
    with warnings.catch_warnings():  # Pillow warns of large pictures and odd metadata, which are dealt with here
        warnings.simplefilter("ignore")
        try:
            picture = PIL.Image.open(path, formats=[name for name in FORMATS if name in PIL.Image.OPEN])
        except PIL.UnidentifiedImageError:
            return _first_frame(path, max_pixels)
        except PIL.Image.DecompressionBombError as error:
            raise InputError(f"{path}: has too many pixels; scale it to at most 8192 a side") from error
        except Exception as error:  # a plug-in may raise anything on a broken header
            raise InputError(f"{path}: is cut off or damaged ({_line(error)}); save it again as PNG") from error
        with picture:
            if picture.width * picture.height > LARGEST:
                size = f"{picture.width}x{picture.height}"
                raise InputError(f"{path}: {size} pixels are too many; scale it to at most 8192 a side")
            try:
                return _decoded(path, picture, max_pixels)
            except Exception as error:
                raise InputError(f"{path}: is cut off or damaged ({_line(error)}); save it again as PNG") from error


def jpeg(image: Image, quality: int) -> bytes:
    """A JPEG file."""
    import PIL.Image

    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, "JPEG", quality=quality)
    return file.getvalue()


def save(path: str | Path, image: Image) -> None:
    """Writes PNG, JPEG or WebP by the suffix, whole or not at all. InputError as `output.check`."""
    import PIL.Image

    kinds = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
    output.check(path, tuple(kinds))
    with output.atomic(path) as temporary:
        PIL.Image.fromarray(image).save(temporary, format=kinds[Path(path).suffix.lower()], quality=95)


def _line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _first_frame(path, max_pixels) -> Image:
    """For what is no picture: the first frame of a video."""
    import PIL.Image

    from jaxtalk.io import video

    try:
        frame = next(video.frames(path))
    except InputError as error:
        raise InputError(f"{path}: holds no picture that can be read; give a JPEG or PNG") from error
    log.info("%s: is a video; its first frame is taken", path)
    return _shrunk(path, PIL.Image.fromarray(frame), frame.shape[1::-1], max_pixels)


def _decoded(path, picture, max_pixels) -> Image:
    import PIL.ImageOps

    size = picture.size
    picture.draft("RGB", _within(size, max_pixels))  # JPEG can decode at a fraction of its size
    return _shrunk(path, _rgb(PIL.ImageOps.exif_transpose(picture)), size, max_pixels)


def _shrunk(path, picture, size, max_pixels) -> Image:
    """`picture` with at most `max_pixels`; the file says it has `size`."""
    if size[0] * size[1] > max_pixels:
        picture = picture.resize(_within(picture.size, max_pixels), reducing_gap=2.0)
        log.warning("%s: %dx%d pixels are scaled down to %dx%d", path, *size, *picture.size)
    return np.array(picture)


def _within(size, max_pixels) -> tuple[int, int]:
    scale = min(1.0, math.sqrt(max_pixels / (size[0] * size[1])))
    return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))


def _rgb(picture):
    """Any mode of Pillow to 8-bit RGB: deep grey divided by its full scale, transparency over white."""
    import PIL.Image

    if picture.mode[0] in "IF":
        grey = np.array(picture, np.float32)
        scale = 65535.0 if picture.mode != "F" and grey.max() <= 65535 else max(grey.max(), 1.0)
        picture = PIL.Image.fromarray(np.uint8(np.clip(grey / scale, 0, 1) * 255 + 0.5))
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        white = PIL.Image.new("RGBA", layer.size, "white")
        picture = PIL.Image.alpha_composite(white, layer)
    return picture.convert("RGB")
