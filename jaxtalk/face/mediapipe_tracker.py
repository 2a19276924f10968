"""MediaPipe's face landmarker as a tracker, for those who bring its model file (extra `mediapipe`).

    find = mediapipe_tracker.Tracker("face_landmarker.task")
    faces = find(picture)  # for each face 68 points in pixels

The wheels of mediapipe carry no model: https://ai.google.dev/edge/mediapipe/solutions/vision/face_landmarker has
`face_landmarker.task` (Apache-2.0). The package is imported only when a tracker is made.
"""

import contextlib
import ctypes
import hashlib
import logging
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from jaxtalk.errors import InputError
from jaxtalk.face.mediapipe import LANDMARKS_68
from jaxtalk.face.tracks import Track

KNOWN_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"  # float16, version 1 of 2023


class Tracker:
    """Finds faces in pictures, or with `fps` in the frames of one video, where each is looked for near the one before.

    Raises:
        InputError: mediapipe or a library of the system that it needs is missing, or `task` is no landmarker.
    """

    def __init__(self, task: str | Path, *, faces: int = 8, fps: float | None = None):
        check(task)
        self.mediapipe, self.fps, self.count = _import(), fps, 0
        vision = self.mediapipe.tasks.vision
        options = vision.FaceLandmarkerOptions(
            base_options=self.mediapipe.tasks.BaseOptions(model_asset_path=str(task)),
            running_mode=vision.RunningMode.IMAGE if fps is None else vision.RunningMode.VIDEO,
            num_faces=faces,
        )
        try:
            self.landmarker = vision.FaceLandmarker.create_from_options(options)
        except OSError as error:
            raise InputError(f"mediapipe cannot start ({error}); on Debian install libegl1 and libgles2") from error
        except (RuntimeError, ValueError) as error:
            raise InputError(
                f"{task}: mediapipe cannot use it ({_first_line(error)}); get face_landmarker.task"
            ) from error
        # When the interpreter ends, mediapipe would close itself too late and print a traceback: `close` alone does it.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.landmarker))

    def __call__(self, picture: UInt8[np.ndarray, "h w 3"]) -> list[Float[np.ndarray, "68 2"]]:
        """The 68 points of each face in pixels, the largest face first."""
        image_format = self.mediapipe.ImageFormat.SRGB
        image = self.mediapipe.Image(image_format=image_format, data=np.ascontiguousarray(picture))
        if self.fps is None:
            result = self.landmarker.detect(image)
        else:
            result = self.landmarker.detect_for_video(image, round(1000 * self.count / self.fps))
        self.count += 1
        found = list(pixels(result, picture.shape[0], picture.shape[1]))
        return sorted(found, key=lambda points: -np.prod(np.ptp(points, axis=0)))

    def close(self) -> None:
        self.landmarker.close()


def pixels(result, height: int, width: int) -> Float[np.ndarray, "n 68 2"]:
    """The 68 points of every face in MediaPipe's result."""
    faces = [[(face[i].x, face[i].y) for i in LANDMARKS_68] for face in result.face_landmarks]
    return np.array(faces, np.float32).reshape(-1, 68, 2) * np.array([width, height], np.float32)


def track(task: str | Path, frames: Iterable[UInt8[np.ndarray, "h w 3"]], fps: float) -> Track:
    """Follows the face through the frames of a video; frames without a face have confidence 0.

    Raises:
        InputError: as `Tracker`, no frames, or no face in any.
    """
    points, size = [], None
    with contextlib.closing(Tracker(task, faces=1, fps=fps)) as find:
        for frame in frames:
            size = frame.shape[:2]
            points.append(next(iter(find(frame)), np.full((68, 2), np.nan, np.float32)))
    known = np.isfinite(np.array(points).reshape(-1, 68, 2)).all(-1)
    if size is None or not known.any():
        raise InputError("mediapipe found no face in the video; give one that shows a face")
    landmarks = np.where(known[..., None], np.array(points), 0.0)
    return Track(landmarks=landmarks, confidence=known.astype(np.float32), size=size, fps=fps)


def task_file(tracker: str | None) -> Path | None:
    """The landmarker's file in what `--tracker` says; None without one."""
    if tracker is None:
        return None
    kind, _, path = tracker.partition(":")
    if kind != "mediapipe" or not path:
        raise InputError(f"--tracker {tracker}: must be mediapipe:PATH.task")
    return Path(path)


def check(task: str | Path) -> None:
    """Warns if the model file is not the one that jaxtalk was tested with; InputError if it cannot be one."""
    try:
        content = Path(task).read_bytes()
    except OSError as error:
        raise InputError(f"{task}: cannot be read ({error.strerror}); give MediaPipe's face_landmarker.task") from error
    if not zipfile.is_zipfile(task):
        raise InputError(f"{task}: is no MediaPipe task (a zip of models); get face_landmarker.task")
    digest = hashlib.sha256(content).hexdigest()
    if digest != KNOWN_SHA256:
        logging.getLogger("jaxtalk").warning(
            "%s: is not the face_landmarker.task that jaxtalk was tested with (SHA-256 %s... instead of %s...)",
            task, digest[:8], KNOWN_SHA256[:8],
        )  # fmt: skip


def _import():
    try:
        import mediapipe
    except ImportError as error:
        raise InputError(f"mediapipe is not there ({error}); install it: pip install 'jaxtalk[mediapipe]'") from error
    return mediapipe


def _first_line(error):
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
