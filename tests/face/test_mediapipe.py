"""The table of 68 points among MediaPipe's 478, checked on real tracks where they are at hand."""

import numpy as np

from jaxtalk.face.mediapipe import LANDMARKS_68, MIRROR_68


def test_table_has_68_different_mesh_points():
    assert LANDMARKS_68.shape == (68,)
    assert len(set(LANDMARKS_68.tolist())) == 68
    assert LANDMARKS_68.min() >= 0 and LANDMARKS_68.max() < 468  # 468 and up are irises


def test_mirroring_twice_changes_nothing():
    np.testing.assert_array_equal(MIRROR_68[MIRROR_68], np.arange(68))


def test_mirrored_table_fits_a_mirrored_face(media):
    """Head space of a real track, averaged: mirroring x and renaming the points must give nearly the same face."""
    with np.load(media / "tracks" / "cnn2_25fps.npz") as z:
        height, width = z["height_width"]
        points = z["landmarks"][::50].astype(np.float64) * [width, -height, -width]
        rotation = z["head_matrix"][::50, :3, :3].astype(np.float64)
    points -= points.mean(axis=1, keepdims=True)
    face = np.einsum("tvi,tij->tvj", points, rotation).mean(axis=0)[LANDMARKS_68]
    face -= face[27:31].mean(axis=0)
    mirrored = face[MIRROR_68] * [-1, 1, 1]
    eyes = np.linalg.norm(face[36] - face[45])
    assert np.linalg.norm(mirrored - face, axis=-1).mean() < 0.1 * eyes
    assert np.linalg.norm(face[::-1] * [-1, 1, 1] - face, axis=-1).mean() > 0.5 * eyes  # a wrong table is far off
