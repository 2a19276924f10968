"""Tracks: a face followed through a video by MediaPipe's face landmarker, kept as `.npz`, and the motion in them.

A file holds `landmarks` [t, 478, 3] (x over the width, y over the height of the picture; NaN where no face was found),
`height_width` [2] and `fps`, and may hold `blendshapes` [t, 52], `blendshape_names` and `head_matrix` [t, 4, 4].
"""

import dataclasses
import zipfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxtalk.errors import InputError
from jaxtalk.face import fit, rotation
from jaxtalk.face.mediapipe import LANDMARKS_68
from jaxtalk.face.model import FaceModel
from jaxtalk.face.motion import Motion


@dataclasses.dataclass(frozen=True, kw_only=True)
class Track:
    """The 68 landmarks of one face in every frame of a video."""

    landmarks: Float[np.ndarray, "t 68 2"]  # pixels
    confidence: Float[np.ndarray, "t 68"]  # 0 where the face was not found
    size: tuple[int, int]  # height, width of the picture
    fps: float


def load(path: str | Path) -> Track:
    """Reads a track.

    Raises:
        InputError: no such file, no track, or landmarks of another kind.
    """
    try:
        with np.load(path, allow_pickle=False) as z:
            mesh = np.asarray(z["landmarks"], np.float32)
            height, width = (int(v) for v in z["height_width"])
            fps = float(z["fps"])
    except (OSError, EOFError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: is no face track with landmarks, height_width and fps ({error})") from error
    if mesh.ndim != 3 or mesh.shape[1] <= LANDMARKS_68.max() or mesh.shape[2] < 2 or not len(mesh):
        raise InputError(f"{path}: landmarks have the shape {mesh.shape}; a track holds [frames, 478, 3] of MediaPipe")
    if not (fps > 0 and height > 0 and width > 0):
        raise InputError(
            f"{path}: a track of {width}x{height} pixels at {fps} frames/s cannot be; track the video anew"
        )
    points = mesh[:, LANDMARKS_68, :2] * np.array([width, height], np.float32)
    known = np.isfinite(points).all(-1)
    return Track(
        landmarks=np.where(known[..., None], points, 0.0),
        confidence=known.astype(np.float32),
        size=(height, width),
        fps=fps,
    )


def to_motion(model: FaceModel, track: Track) -> Motion:
    """The movement in a track, in coefficients of `model`.

    Rotation and translation are relative to the clip's median pose, in the head's own axes for the rotation: a frame
    is turned by matrix(median) @ matrix(rotation).
    """
    fitted = fit.fit_sequence(model, jnp.asarray(track.landmarks), confidence=jnp.asarray(track.confidence))
    rest = rotation.matrix(jnp.median(fitted.angles, axis=0))
    return Motion(
        expression=fitted.expression,
        rotation=rotation.angles(jnp.einsum("ji,tjk->tik", rest, rotation.matrix(fitted.angles))),
        translation=fitted.translation - jnp.median(fitted.translation, axis=0, keepdims=True),
        fps=track.fps,
        names=model.expression_names,
    )


def fitted_landmarks(model: FaceModel, fitted: fit.Fit) -> Float[Array, "t 68 2"]:
    """Where a fitted clip shows the 68 points, in pixels: compared with `Track.landmarks`, how good the fit is."""
    return fitted.camera.project(fit.landmarks(model, fitted))[..., :2]
