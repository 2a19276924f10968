"""Who is in the picture: the face, its landmarks, its fit, and what is needed to draw it moving."""

import functools
import logging
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from jaxtalk.errors import InputError
from jaxtalk.face import builtin, detect, fit, mediapipe_tracker
from jaxtalk.face.model import FaceModel
from jaxtalk.face.motion import Motion
from jaxtalk.io import image, video
from jaxtalk.render import portrait as portraits
from jaxtalk.systems import framing
from jaxtalk.systems.talk_options import TalkOptions

log = logging.getLogger("jaxtalk")

NETWORKS = ("face_detector", "landmarks")  # names of the shipped weights
SIZE = 512  # pixels, where the options do not say


class Analysed(NamedTuple):
    """A portrait ready to move."""

    model: FaceModel
    identity: Float[Array, "i"]
    framing: framing.Framing
    drawing: portraits.Portrait

    def tracks(self, motion: Motion) -> tuple[Array, Array, Array]:
        """What `draw` takes of a motion, frame by frame."""
        return motion.expression, motion.rotation, motion.translation

    def draw(
        self, expression: Float[Array, "t e"], rotation: Float[Array, "t 3"], translation: Float[Array, "t 3"]
    ) -> UInt8[Array, "t h w 3"]:
        """Frames of the framed region."""
        return _draw(self.drawing, expression, rotation, translation)


@jax.jit
def _draw(drawing, expression, rotation, translation):
    # One after the other: a frame's work fills the machine, and its intermediates would be held for all at once.
    frames = jax.lax.map(lambda move: portraits.draw(drawing, *move), (expression, rotation, translation))
    return jnp.round(255.0 * jnp.clip(frames, 0.0, 1.0)).astype(jnp.uint8)


def portrait(options: TalkOptions) -> Analysed:
    """The face in the portrait, fitted and framed.

    Raises:
        InputError: the picture cannot be read, has no face, or not the one asked for.
    """
    picture = image.load(options.portrait)
    framed = framing.frame(picture, landmarks(options, picture), options.crop, options.size or SIZE)
    model, points = builtin.model(), jnp.asarray(framed.landmarks, jnp.float32)
    fitted = fit.fit(model, points)
    drawing = portraits.prepare(
        jnp.asarray(framed.face, jnp.float32) / 255.0,
        model,
        fitted.identity,
        fitted.expression,
        fitted.angles,
        fitted.translation,
        fitted.camera,
        points,
    )
    return Analysed(model, fitted.identity, framed, drawing)


def pose_of_video(path: Path, options: TalkOptions) -> Motion:
    """The head motion in a video at the options' frame rate; frames without a face are bridged."""
    find = finder(options)
    points = [find(frame) for frame in video.frames(path, fps=options.fps)]
    seen = np.array([bool(found) for found in points])
    if not seen.any():
        raise InputError(f"{path}: no face found in any frame; use another video for --ref-pose")
    places = np.stack([found[0] if found else np.zeros((68, 2)) for found in points]).astype(np.float32)
    confidence = np.broadcast_to(seen[:, None], (len(seen), 68)).astype(np.float32)
    model = builtin.model()
    fitted = fit.fit_sequence(model, jnp.asarray(places), confidence=jnp.asarray(confidence))
    return Motion(fitted.expression, fitted.angles, fitted.translation, options.fps, model.expression_names)


def landmarks(options: TalkOptions, picture: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "68 2"]:
    """The 68 points of the face that is asked for, in pixels. InputError if the picture has none."""
    if options.landmarks is not None:
        from jaxtalk.face import landmark_file

        return landmark_file.load(options.landmarks)
    faces = finder(options)(picture)
    name, wanted = options.portrait, options.face or 0
    if not faces:
        raise InputError(f"{name}: no face found; use a picture with a visible human face, or give --landmarks")
    if wanted >= len(faces) or wanted < 0:
        raise InputError(
            f"{name}: there is no face {wanted}; the picture has {len(faces)}, counted from 0, largest first"
        )
    if len(faces) > 1 and options.face is None:
        log.warning("%s: %d faces; taking the largest (--face 1 takes the next)", name, len(faces))
    return faces[wanted]


@functools.cache
def _mediapipe(task: Path):
    return mediapipe_tracker.Tracker(task)


def finder(options: TalkOptions):
    """A function from a picture to the landmarks of its faces, the largest first."""
    if options.tracker is None:
        return lambda picture: [face.landmarks for face in detect.faces(picture)]
    return _mediapipe(mediapipe_tracker.task_file(options.tracker))
