"""Tracks as motion: what is read, what is refused, and how closely the fitted face follows real lips."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.errors import InputError
from jaxtalk.face import builtin, fit, rotation, tracks
from jaxtalk.face.landmarks import lip_opening

FRAMES = 64  # of each clip: enough to see the mouth open and close, and one length to compile
CLIPS = ["RD_Radio2_000", "WDA_BobMenendez_000", "cnn2_25fps", "W023_level_2_surprised_010", "vox_741400104", "vrt_3"]


def write(path, **changes):
    mesh = np.random.default_rng(0).uniform(0.3, 0.6, (5, 478, 3)).astype(np.float16)
    fields = {"landmarks": mesh, "height_width": np.array([100, 200]), "fps": np.float64(25)} | changes
    np.savez(path, **{k: v for k, v in fields.items() if v is not None})
    return path, fields


def test_landmarks_come_in_pixels_and_gaps_without_confidence(tmp_path):
    mesh = np.full((3, 478, 3), 0.25, np.float32)
    mesh[1] = np.nan
    track = tracks.load(write(tmp_path / "a.npz", landmarks=mesh)[0])
    np.testing.assert_array_equal(track.landmarks[0], np.tile([50.0, 25.0], (68, 1)))
    np.testing.assert_array_equal(track.confidence[:, 0], [1, 0, 1])
    assert np.isfinite(track.landmarks).all() and track.size == (100, 200) and track.fps == 25


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fps": None}, "is no face track"),
        ({"landmarks": np.zeros((5, 68, 2))}, r"shape \(5, 68, 2\)"),
        ({"landmarks": np.zeros((0, 478, 3))}, "shape"),
        ({"fps": np.float64(0)}, "0.0 frames/s"),
        ({"height_width": np.array([1, 2, 3])}, "is no face track"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, changes, message):
    path, _ = write(tmp_path / "wrong.npz", **changes)
    with pytest.raises(InputError, match=message) as caught:
        tracks.load(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_missing_and_damaged_files_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("no zip")
    for name in ("none.npz", "text.npz"):
        with pytest.raises(InputError, match="is no face track"):
            tracks.load(tmp_path / name)


@pytest.fixture(scope="module")
def model():
    return builtin.model()


@pytest.mark.parametrize("name", CLIPS)
def test_fitted_face_follows_real_lips_and_closes_them(model, media, name):
    """Frontal news, emotional speech at 1080p, 224-pixel clips with head turns and tight crops, one bound for all."""
    landmarks = jnp.asarray(tracks.load(media / "tracks" / f"{name}.npz").landmarks[:FRAMES])
    found = fit.fit_sequence(model, landmarks)
    assert float(found.residual.mean()) < 0.045
    assert float(found.residual.max()) < 0.06
    tracked, fitted = (np.asarray(lip_opening(p)) for p in (landmarks, tracks.fitted_landmarks(model, found)))
    assert np.corrcoef(tracked, fitted)[0, 1] > 0.99
    assert 0.85 < np.polyfit(tracked, fitted, 1)[0] < 1.1
    closed = tracked < 0.01
    assert not closed.any() or fitted[closed].max() < 0.025
    assert float(found.expression.min()) >= 0 and float(found.expression.max()) <= 1


def test_motion_is_relative_to_the_median_pose(model, media):
    track = tracks.load(media / "tracks" / "vox_741400104.npz")  # turns the head by 44 degrees in all
    short = tracks.Track(
        landmarks=track.landmarks[:FRAMES], confidence=track.confidence[:FRAMES], size=track.size, fps=track.fps
    )
    motion = tracks.to_motion(model, short)
    assert motion.names == model.expression_names and motion.fps == 25 and len(motion) == FRAMES
    np.testing.assert_allclose(np.median(motion.translation, axis=0), 0, atol=1e-6)
    assert np.abs(np.median(motion.rotation, axis=0)).max() < 0.03
    found = fit.fit_sequence(model, jnp.asarray(short.landmarks))
    rest = rotation.matrix(jnp.median(found.angles, axis=0))
    np.testing.assert_allclose(rest @ rotation.matrix(motion.rotation), rotation.matrix(found.angles), atol=1e-5)
