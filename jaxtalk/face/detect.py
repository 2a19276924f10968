"""Finds faces and their 68 landmarks in pictures and videos, with the project's own two small networks.

    picture --pyramid, FaceDetector--> boxes --crop, LandmarkNet, crop again by its answer--> faces

A crop that follows from the landmarks themselves is what LandmarkNet was trained on, so its answer is asked for
again until the crop settles; whether it settles, and how sure the network then is, says whether it is a face.
"""

import functools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from jaxtalk.face.crop import MARGIN, Frame, crop_frame, from_crop
from jaxtalk.io import weights
from jaxtalk.models import face_detector, landmark_net

Picture = UInt8[np.ndarray, "h w 3"]

SMALLEST = 24  # pixels: faces below this are not looked for
ACCEPT = 0.4  # least confidence of a face
_ROUNDS = 3  # crops by landmarks after the first one
_BATCH = 4  # crops analysed at once when searching
_CANDIDATES = 24  # most likely boxes that are looked at closely
_LIKELY = 0.2  # least probability of a box
_FINEST = 15.0  # pixels: side at which the smallest face reaches the detector
_WIDEST = 1600.0  # pixels: no picture is searched at more
_COARSEST = 24.0  # pixels: the picture's longer side at the last scale
_TILE, _TILE_OVERLAP, _TILES = 192, 48, 4  # pixels, pixels, tiles analysed at once
_SURE, _UNSURE = 0.0075, 0.004  # crop: least mean spread, and how much more of it takes away one of the logit
_OVERLAP = 0.35  # of the union: two boxes that share more are one face


class Face(NamedTuple):
    """One face; coordinates are pixels of the picture (see `jaxtalk.face`)."""

    box: Float[np.ndarray, "4"]  # left, top, right, bottom of the landmarks
    landmarks: Float[np.ndarray, "68 2"]
    spread: Float[np.ndarray, "68"]  # the network's standard deviation of each coordinate
    confidence: float  # 0 to 1

    @property
    def size(self) -> float:
        """Longer side of the box."""
        return float(max(self.box[2] - self.box[0], self.box[3] - self.box[1]))


def faces(image: Picture, accept: float = ACCEPT) -> list[Face]:
    """All faces with at least the confidence `accept`, the largest first."""
    middles, sides, _ = boxes(image)
    if len(sides) == 0:
        return []
    frames = Frame(middles, MARGIN * sides, np.zeros(len(sides), np.float32))
    found = [face for face in _refine(image, frames) if face.confidence >= accept]
    found = _distinct(found)
    return sorted(found, key=lambda face: -face.size)


def track(frames: Iterable[Picture], start: Face | None = None, accept: float = ACCEPT) -> Iterator[Face | None]:
    """One face through a video: that of `start`, or the largest of the first frame that has one.

    Each frame is cropped by the landmarks of the one before; where those are lost, the face is looked for again near
    where it was last. None for frames without it.
    """
    last = start
    lost = start is None
    for image in frames:
        face = None if lost else _refine(image, _frame_of(last), rounds=1)[0]
        if face is None or face.confidence < accept:
            candidates = faces(image, accept)
            face = min(candidates, key=lambda f: _distance(f, last), default=None) if last else _first(candidates)
        lost = face is None
        last = face or last
        yield face


def boxes(
    image: Picture,
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Middles, sides (pixels) and probabilities of likely faces, the most likely first."""
    network, variables = _detector()
    tiles, places = _tiles(image)
    missing = -len(tiles) % _TILES
    batches = np.stack(tiles + [np.zeros_like(tiles[0])] * missing).reshape(-1, _TILES, *tiles[0].shape)
    answers = [jax.device_get(network(variables, batch)) for batch in batches]
    cells = [np.concatenate(values) for values in zip(*answers, strict=True)]
    found = [_peaks(*(value[i] for value in cells), *place) for i, place in enumerate(places)]
    middles, sides, chances = (np.concatenate(values) for values in zip(*found, strict=True))
    return _suppress(middles, sides, chances)


@functools.cache
def _detector():
    loaded = weights.load(weights.shipped("face_detector"))
    config = face_detector.Config(**{k: _tuples(v) for k, v in loaded.config.items()})
    network = face_detector.FaceDetector(config)
    return jax.jit(lambda v, tiles: network.apply(v, tiles.astype(jnp.float32) / 255)), loaded.variables


@functools.cache
def _landmarker():
    loaded = weights.load(weights.shipped("landmarks"))
    config = landmark_net.Config(**{k: _tuples(v) for k, v in loaded.config.items()})
    network = landmark_net.LandmarkNet(config)

    @jax.jit
    def analyse(variables, crops, frames):
        """Landmarks in the picture [n 68 2], their spread in crops [n 68], logits [n], frames to look at next."""
        answer = network.apply(variables, crops.astype(jnp.float32) / 255)
        points = from_crop(answer.landmarks, frames)
        return points, jnp.exp(answer.log_spread), answer.face, crop_frame(points)

    return analyse, loaded.variables


def _tuples(value):
    return tuple(value) if isinstance(value, list) else value


def _tiles(image):
    """Overlapping squares of the picture at scales that halve, and (corner, scale) of each; one size, compiled once."""
    picture = Image.fromarray(image)
    tiles, places = [], []
    scale = min(1.0, _FINEST / SMALLEST, _WIDEST / max(picture.size))
    while not tiles or scale * max(picture.size) >= _COARSEST:
        width, height = (max(1, round(extent * scale)) for extent in picture.size)
        level = np.asarray(picture.resize((width, height), Image.Resampling.BOX))
        for top in range(0, max(height - _TILE_OVERLAP, 1), _TILE - _TILE_OVERLAP):
            for left in range(0, max(width - _TILE_OVERLAP, 1), _TILE - _TILE_OVERLAP):
                tile = np.full((_TILE, _TILE, 3), 127, np.uint8)
                part = level[top : top + _TILE, left : left + _TILE]
                tile[: part.shape[0], : part.shape[1]] = part
                tiles.append(tile)
                places.append((np.array([left, top]), np.array([width, height]) / picture.size))
        scale /= 2
    return tiles, places


def _peaks(logit, middle, side, corner, scale):
    """Cells that are likely and the likeliest of their neighbours, in pixels of the picture."""
    around = np.pad(logit, 1, constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(around, (3, 3))
    chance = 1 / (1 + np.exp(-logit.clip(-50, 50)))
    peak = (logit >= windows.max((2, 3))) & (chance > _LIKELY)
    return (middle[peak] + corner) / scale, side[peak] / scale.mean(), chance[peak]


def _suppress(middles, sides, chances):
    """The likeliest box of each place."""
    kept = []
    for i in np.argsort(-chances):
        if all(overlap(middles[i], sides[i], middles[k], sides[k]) < _OVERLAP for k in kept):
            kept.append(i)
    kept = np.array(kept[:_CANDIDATES], int)
    return middles[kept].astype(np.float32), sides[kept].astype(np.float32), chances[kept]


def overlap(middle_a: np.ndarray, side_a, middle_b: np.ndarray, side_b) -> float:
    """Intersection over union of two squares."""
    both = np.maximum(0, (side_a + side_b) / 2 - np.maximum(np.abs(middle_a - middle_b), abs(side_a - side_b) / 2))
    shared = both.prod()
    return float(shared / (side_a**2 + side_b**2 - shared))


def _refine(image: Picture, frames: Frame, rounds: int = _ROUNDS) -> list[Face]:
    """Looks into each frame, then `rounds` times into the frame that its landmarks ask for."""
    analyse, variables = _landmarker()
    picture = Image.fromarray(image)
    size = 1 if len(frames.side) == 1 else _BATCH  # two sizes are compiled: for tracking and for searching
    result = []
    for start in range(0, len(frames.side), size):
        now = Frame(*(np.asarray(value[start : start + size], np.float32) for value in frames))
        count = len(now.side)
        for _ in range(rounds + 1):
            crops = np.stack([cut(picture, Frame(*(value[i] for value in now))) for i in range(count)])
            last = now
            answer = analyse(variables, *(_padded(value, size) for value in (crops, now)))
            points, spread, logit, now = _rows(jax.device_get(answer), count)
            now = _bounded(now, last)
        result += [_face(points[i], spread[i], logit[i], last.side[i], now, last, i) for i in range(count)]
    return result


def _padded(tree, size):
    """Arrays with their last row repeated up to `size` rows."""
    return jax.tree.map(lambda value: np.concatenate([value, np.repeat(value[-1:], size - len(value), 0)]), tree)


def _rows(tree, count):
    return jax.tree.map(lambda value: value[:count], tree)


def _bounded(frame, last):
    """A frame no more than twice as large or small as the last one, so that a wild answer cannot run away."""
    return frame._replace(side=np.clip(frame.side, last.side / 2, last.side * 2))


def _face(points, spread, logit, side, after, before, i):
    """A Face; points that the network spreads widely, and a crop that still moves, take confidence away.

    An animal's crop may look like a face to the network, but it is never sure where the points are.
    """
    moved = np.linalg.norm(after.centre[i] - before.centre[i]) / side + abs(np.log(after.side[i] / side))
    evidence = logit - max(spread.mean() - _SURE, 0) / _UNSURE
    confidence = np.exp(-((moved / 0.3) ** 2)) / (1 + np.exp(-np.clip(evidence, -50, 50)))
    box = np.concatenate([points.min(0), points.max(0)])
    return Face(box, points, spread * side, float(confidence))


def cut(picture: Image.Image, frame: Frame, size: int = landmark_net.SIZE) -> UInt8[np.ndarray, "size size 3"]:
    """The pixels of a turned square of a picture, whose border continues outwards."""
    side = max(float(frame.side), 1.0)
    shrink = max(1, int(side / size / 1.5))  # average whole pixels first: bilinear sampling alone would skip some
    left, top = (frame.centre - 0.75 * side).astype(int)
    region = _region(picture, left, top, int(1.5 * side) + 2).reduce(shrink)
    step = side / size / shrink
    c, s = np.cos(float(frame.angle)) * step, np.sin(float(frame.angle)) * step
    x, y = (np.asarray(frame.centre, np.float64) - [left, top]) / shrink
    corner = x - (c - s) * size / 2, y - (s + c) * size / 2
    matrix = (c, -s, corner[0], s, c, corner[1])
    turned = region.transform((size, size), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return np.asarray(turned)


def _region(picture, left, top, side):
    """A square of a picture; beyond its border the nearest pixel is repeated."""
    inside = [max(left, 0), max(top, 0), min(left + side, picture.width), min(top + side, picture.height)]
    if inside == [left, top, left + side, top + side]:
        return picture.crop(inside)
    rows = np.clip(np.arange(top, top + side), 0, picture.height - 1)
    columns = np.clip(np.arange(left, left + side), 0, picture.width - 1)
    box = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    pixels = np.asarray(picture.crop([int(edge) for edge in box]))
    return Image.fromarray(pixels[rows - box[1]][:, columns - box[0]])


def _frame_of(face):
    frame = crop_frame(jnp.asarray(face.landmarks[None], jnp.float32))
    return Frame(*(np.asarray(value) for value in frame))


def _distinct(found):
    """Of faces that overlap, the surest."""
    kept: list[Face] = []
    for face in sorted(found, key=lambda face: -face.confidence):
        middle = (face.box[:2] + face.box[2:]) / 2
        others = [((other.box[:2] + other.box[2:]) / 2, other.size) for other in kept]
        if all(overlap(middle, face.size, *other) < _OVERLAP for other in others):
            kept.append(face)
    return kept


def _distance(face, last):
    return np.linalg.norm(face.box - last.box)


def _first(candidates):
    return candidates[0] if candidates else None
