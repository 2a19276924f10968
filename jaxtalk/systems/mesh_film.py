"""The frames of a talking mesh: its vertices, and pictures of them with the sound, a few at a time."""

from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tqdm
from jaxtyping import Array, Float, Float32, UInt8

from jaxtalk.face import builtin, builtin_texture, feature_points
from jaxtalk.face import model as faces
from jaxtalk.face.model import FaceModel
from jaxtalk.face.motion import Motion
from jaxtalk.io import glb, provenance, video
from jaxtalk.render import face_picture
from jaxtalk.systems import face_look
from jaxtalk.systems.mesh_template import Template

STEP = 8  # frames at once
_SHARE = 0.9  # of the picture's side that a bare mesh fills


def vertices(model: FaceModel, motion: Motion, *, posed: bool) -> Iterator[Float32[np.ndarray, "n v 3"]]:
    """Of all frames, piece by piece; `posed`: with the head's rotation and translation. Names must be the model's."""
    for piece, frames in _pieces(motion):
        moved = _moved(model, piece.expression)
        if posed:
            moved = faces.pose(moved, piece.rotation, piece.translation)
        yield np.asarray(moved)[:frames]


def write(
    target: Path, template: Template, model: FaceModel, motion: Motion, size: int, sound: Path, made: provenance.Record
) -> None:
    """Draws `model`, which is the template's mesh, as `motion` says. InputError as `video.Writer`."""
    drawn, albedo = look(template, model)
    middle, scale = (0.0, 1.0) if template.known else framing(np.asarray(model.template))
    tags = {"comment": provenance.comment(made)}
    with (
        video.Writer(target, size, size, motion.fps, audio=sound, metadata=tags) as file,
        tqdm.tqdm(total=len(motion), desc="drawing", unit="frame", disable=None) as bar,
    ):
        for piece, frames in _pieces(motion):
            placed = (_moved(model, piece.expression) - middle) * scale
            pictures = face_picture.draw(drawn, placed, piece.rotation, piece.translation, albedo, size)
            for picture in np.asarray(pictures)[:frames]:
                file.write(picture)
                bar.update()


def look(template: Template, model: FaceModel) -> tuple[FaceModel, Float[Array, "h w 3"] | Float[Array, "v 3"]]:
    """What is drawn, and its texture or its vertices' colours in linear light."""
    if template.path is None and model.template is builtin.model().template:
        dressed, albedo = face_look.dress(builtin.model(), feature_points.find(builtin.model()))
        return dressed, albedo
    if template.known and template.path is not None:
        return face_look.dress(model, feature_points.find(model))
    return model, jnp.tile(jnp.asarray(glb.COLOURS["skin"], jnp.float32)[None], (len(model.template), 1))


def texture(template: Template, model: FaceModel) -> UInt8[np.ndarray, "h w 3"] | None:
    """A picture for the .glb: the built-in face is painted."""
    if template.path is not None or model.template is not builtin.model().template:
        return None
    paint = builtin_texture.paint(builtin_texture.Look(), np.random.default_rng(0))
    return (255 * np.clip(paint, 0, 1) + 0.5).astype(np.uint8)


def framing(points: Float[np.ndarray, "v 3"]) -> tuple[Float32[np.ndarray, "1 1 3"], float]:
    """Middle and scale with which a mesh of any unit, at any place, fills the picture."""
    low, high = points.min(axis=0), points.max(axis=0)
    scale = _SHARE * face_picture.VIEW / float((high - low)[:2].max() or 1.0)
    middle = (low + high) / 2
    middle[1] += face_picture.LOWER / scale  # pictures are of a point a little below the origin
    return middle.astype(np.float32)[None, None], scale


@jax.jit
def _moved(model: FaceModel, expression: Float[Array, "n e"]) -> Float[Array, "n v 3"]:
    return model.vertices(None, expression)


def _pieces(motion: Motion) -> Iterator[tuple[Motion, int]]:
    """Motions of STEP frames, the last one filled up with its last frame, and how many are meant."""
    for first in range(0, len(motion), STEP):
        place = jnp.minimum(jnp.arange(first, first + STEP), len(motion) - 1)
        tracks = (track[place] for track in (motion.expression, motion.rotation, motion.translation))
        yield Motion(*tracks, fps=motion.fps, names=motion.names), min(STEP, len(motion) - first)
