"""The adapter to MediaPipe, with a stand-in for the package (its parsing, order, modes and errors)."""

import logging
import sys
import types
import zipfile

import numpy as np
import pytest

from jaxtalk.errors import InputError
from jaxtalk.face import mediapipe_tracker
from jaxtalk.face.mediapipe import LANDMARKS_68


class Point(types.SimpleNamespace):
    pass


def mesh(shift, size=1.0):
    """478 points: x grows with the index, y falls."""
    return [Point(x=size * i / 1000 + shift, y=0.9 - size * i / 1000, z=0.0) for i in range(478)]


@pytest.fixture
def package(monkeypatch):
    """A module that answers like mediapipe: it sees the faces in `package.scene`, one entry per picture."""
    calls = []

    class Landmarker:
        def close(self):
            calls.append("closed")

        def detect(self, image):
            calls.append("detect")
            return types.SimpleNamespace(face_landmarks=module.scene.pop(0))

        def detect_for_video(self, image, milliseconds):
            calls.append(milliseconds)
            return types.SimpleNamespace(face_landmarks=module.scene.pop(0))

    def create(options):
        calls.append(options)
        if module.error:
            raise module.error
        return Landmarker()

    vision = types.SimpleNamespace(
        FaceLandmarkerOptions=lambda **options: options,
        RunningMode=types.SimpleNamespace(IMAGE="image", VIDEO="video"),
        FaceLandmarker=types.SimpleNamespace(create_from_options=create),
    )
    module = types.ModuleType("mediapipe")
    module.tasks = types.SimpleNamespace(vision=vision, BaseOptions=lambda **options: options)
    module.Image = lambda image_format, data: data
    module.ImageFormat = types.SimpleNamespace(SRGB="srgb")
    module.calls, module.scene, module.error = calls, [], None
    monkeypatch.setitem(sys.modules, "mediapipe", module)
    return module


@pytest.fixture
def task(tmp_path):
    with zipfile.ZipFile(tmp_path / "my.task", "w") as archive:
        archive.writestr("face_detector.tflite", b"models")
    return tmp_path / "my.task"


PICTURE = np.zeros((200, 400, 3), np.uint8)


def test_all_faces_are_given_in_pixels_in_ibug_order_the_largest_first(package, task):
    package.scene = [[mesh(0.25, size=0.5), mesh(0.0)], []]
    find = mediapipe_tracker.Tracker(task, faces=2)
    (large, small), none = find(PICTURE), find(PICTURE)
    assert large.shape == (68, 2) and none == []
    np.testing.assert_allclose(large[:, 0], LANDMARKS_68 / 1000 * 400, rtol=1e-5)
    np.testing.assert_allclose(large[:, 1], (0.9 - LANDMARKS_68 / 1000) * 200, rtol=1e-5)
    np.testing.assert_allclose(small[:, 0], (LANDMARKS_68 / 2000 + 0.25) * 400, rtol=1e-5)
    options = package.calls[0]
    assert options["num_faces"] == 2 and options["running_mode"] == "image"
    assert options["base_options"] == {"model_asset_path": str(task)}


def test_a_video_is_tracked_with_its_times_and_gaps(package, task):
    package.scene = [[mesh(0.0)], [], [mesh(0.1)]]
    track = mediapipe_tracker.track(task, iter([PICTURE] * 3), fps=25.0)
    assert package.calls[1:] == [0, 40, 80, "closed"]
    assert package.calls[0]["running_mode"] == "video"
    np.testing.assert_array_equal(track.confidence[:, 0], [1, 0, 1])
    assert np.isfinite(track.landmarks).all() and track.size == (200, 400) and track.fps == 25.0


def test_a_video_without_a_face_is_refused(package, task):
    package.scene = [[], []]
    with pytest.raises(InputError, match="no face in the video"):
        mediapipe_tracker.track(task, iter([PICTURE] * 2), fps=25.0)


def test_another_model_file_than_the_known_one_is_told(package, task, caplog):
    with caplog.at_level(logging.WARNING, logger="jaxtalk"):
        mediapipe_tracker.Tracker(task)
    assert "is not the face_landmarker.task" in caplog.text


def test_the_known_model_file_raises_no_warning(published, caplog):
    mediapipe_tracker.check(published / "face_landmarker.task")
    assert not caplog.text


def test_wrong_files_and_missing_packages_end_in_one_line(package, task, tmp_path, monkeypatch):
    (tmp_path / "text.task").write_text("hello")
    for path, message in ((tmp_path / "none.task", "cannot be read"), (tmp_path / "text.task", "is no MediaPipe task")):
        with pytest.raises(InputError, match=message):
            mediapipe_tracker.Tracker(path)
    package.error = RuntimeError("Unable to open zip archive.\nsecond line")
    with pytest.raises(InputError, match="Unable to open") as caught:
        mediapipe_tracker.Tracker(task)
    assert "\n" not in str(caught.value)
    package.error = OSError("libGLESv2.so.2: cannot open shared object file")
    with pytest.raises(InputError, match="libgles2"):
        mediapipe_tracker.Tracker(task)
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(InputError, match=r"jaxtalk\[mediapipe\]"):
        mediapipe_tracker.Tracker(task)
