"""Pictures of faces with 68 landmarks for Deep3DFaceRecon, as functions of an index for `render_set.write`.

- of the corpus: FRAMES moments of each clip are drawn, the head turned further than talking people do;
- of records with frames (`jaxtalk prepare` makes them of videos): a square about the face.

Both have their background, so their alpha is 255 everywhere.
"""

import functools
import io
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from jaxtalk.data import clip_frames
from jaxtalk.data.face_renders import Render
from jaxtalk.face import builtin, recon_crop

FRAMES = 8  # moments of a clip
TURN = np.array([0.15, 0.3, 0.08])  # radians: spread of pitch, yaw and roll over those of the corpus
MARGIN = 1.3  # side of a record's picture over the crop that Deep3DFaceRecon sees


class Moment(NamedTuple):
    """What is true of a frame of the corpus."""

    identity: Float[np.ndarray, "41"]
    expression: Float[np.ndarray, "52"]
    rotation: Float[np.ndarray, "3"]
    translation: Float[np.ndarray, "3"]


def moments(record: dict) -> Moment:
    """FRAMES moments of a clip's record, at random; of each field [FRAMES ...]."""
    rng = np.random.default_rng([int(record["index"]), 30])
    chosen = rng.choice(len(record["expression"]), FRAMES)
    turned = np.clip(rng.normal(0, 1, (FRAMES, 3)), -2.2, 2.2) * TURN
    rotation = record["rotation"][chosen] + turned.astype(np.float32)
    identity = np.broadcast_to(record["identity"], (FRAMES, len(record["identity"])))
    return Moment(identity, record["expression"][chosen], rotation, record["translation"][chosen])


def of_corpus(records: Sequence[dict], size: int) -> Callable[[int], Render]:
    """`render(k)`: moment k % FRAMES of clip k // FRAMES."""

    @functools.lru_cache(1)
    def clip(which):
        record = records[which]
        one = moments(record)
        rng = np.random.default_rng([int(record["index"]), 31])
        with jax.default_device(jax.devices("cpu")[0]):
            scene = clip_frames.sample_scene(rng, size * clip_frames.SUPERSAMPLING)
            motion = (jnp.asarray(a) for a in one[1:])
            pictures, points = clip_frames.draw(builtin.model(), scene, jnp.asarray(one.identity[0]), *motion, size)
        return np.asarray(pictures), np.asarray(points)

    def render(k: int) -> Render:
        pictures, points = clip(k // FRAMES)
        return _whole(pictures[k % FRAMES], points[k % FRAMES])

    return render


def of_records(records: Sequence[dict], size: int) -> Callable[[int], Render]:
    """`render(k)`: frame k % FRAMES of FRAMES spread over record k // FRAMES.

    A square about the face is made `size` pixels large.
    """

    def render(k: int) -> Render:
        record = records[k // FRAMES]
        frame = np.linspace(0, len(record["frames"]) - 1, FRAMES).astype(int)[k % FRAMES]
        picture = np.asarray(Image.open(io.BytesIO(record["frames"][frame])).convert("RGB"))
        return around(picture, record["landmarks"][frame], size)

    return render


def around(picture: UInt8[np.ndarray, "h w 3"], points: Float[np.ndarray, "68 2"], size: int) -> Render:
    """The square about a face that holds MARGIN times what Deep3DFaceRecon sees; black beyond the picture."""
    where = recon_crop.align(jnp.asarray(points))
    side = MARGIN * recon_crop.SIZE / float(where.scale)
    corner = np.asarray(where.centre) - side / 2
    box = (*corner.tolist(), *(corner + side).tolist())
    whole = (max(round(side), 1),) * 2
    cut = Image.fromarray(picture).transform(whole, Image.Transform.EXTENT, box, Image.Resampling.BILINEAR)
    small = cut.resize((size, size), Image.Resampling.BOX if side > size else Image.Resampling.BICUBIC)
    return _whole(np.asarray(small), ((points - corner) * size / side).astype(np.float32))


def _whole(picture, points):
    return Render(picture, np.full(picture.shape[:2], 255, np.uint8), points)
