"""Reads 68 landmarks that another program found: `.npz`, `.npy`, `.json`, or text with numbers.

Points are in pixels and in Multi-PIE (iBUG) order. A file holds them as [68, 2], [68, 3] (the third is dropped), a
flat list x0 y0 x1 y1 ..., or any of these under the name `landmarks` (or as the only array or field).
"""

import json
import re
import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jaxtalk.errors import InputError

BIGGEST = 1 << 24  # bytes: 68 points need a few thousand


def load(path: str | Path, size: tuple[int, int] | None = None) -> Float[np.ndarray, "68 2"]:
    """The 68 points in pixels. With the picture's `size` (height, width) they must lie in or near it.

    Raises:
        InputError: no such file, not 68 points, numbers that are not finite, or points not in pixels of the picture.
    """
    path = Path(path)
    try:
        if path.stat().st_size > BIGGEST:
            raise ValueError("it is too big for 68 points")
        values = np.asarray(_READERS.get(path.suffix.lower(), _text)(path), np.float32)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); give a file of landmarks") from error
    except (ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0][:100] if str(error) else "wrong content"
        raise InputError(f"{path}: holds no landmarks ({reason}); give 68 points as x y in pixels") from error
    points = _as_points(path, values)
    _check(path, points, size)
    return points


def _as_points(path, values):
    if values.ndim > 2:
        values = values.reshape(-1, *values.shape[-2:])
        if len(values) != 1:
            raise InputError(f"{path}: holds landmarks of {len(values)} faces or frames; give those of one")
        values = values[0]
    if values.ndim == 1 and values.size in (136, 204):
        values = values.reshape(68, -1)
    if values.ndim != 2 or values.shape[0] != 68 or values.shape[1] not in (2, 3):
        raise InputError(f"{path}: landmarks have the shape {values.shape}; give 68 points of 2 numbers (iBUG order)")
    return values[:, :2]


def _check(path, points, size):
    if not np.isfinite(points).all():
        raise InputError(f"{path}: a landmark is not finite; give 68 points in pixels")
    extent = np.ptp(points, axis=0)
    if extent.max() <= 2:
        raise InputError(f"{path}: the points lie within {extent.max():.2g} pixels; multiply by the picture's size")
    if size is not None:
        height, width = size
        inside = (points > -0.5 * np.array([width, height])) & (points < 1.5 * np.array([width, height]))
        if not inside.all():
            raise InputError(f"{path}: points lie outside the {width}x{height} picture; give pixels of this picture")


def _npz(path):
    with np.load(path, allow_pickle=False) as z:
        return z["landmarks"] if "landmarks" in z.files else _only([z[name] for name in z.files])


def _npy(path):
    return np.load(path, allow_pickle=False)


def _json(path):
    content = json.loads(path.read_text("utf-8"))
    if isinstance(content, dict):
        content = content["landmarks"] if "landmarks" in content else _only(list(content.values()))
    return content


def _text(path):
    words = re.split(r"[\s,;]+", path.read_text("utf-8").strip())
    return [float(word) for word in words if word]


def _only(values):
    if len(values) != 1:
        raise ValueError(f"{len(values)} fields and none is called landmarks")
    return values[0]


_READERS = {".npz": _npz, ".npy": _npy, ".json": _json}
