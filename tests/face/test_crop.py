"""Crops follow the face: they turn, grow and move with it, and lead back to the picture."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from jaxtalk.face import crop

RNG = np.random.default_rng(0)


@pytest.fixture
def face():
    """68 points roughly like a frontal face."""
    points = RNG.normal(0, 1, (68, 2)) * [20, 25] + [100, 90]
    points[36:42] = RNG.normal(0, 2, (6, 2)) + [80, 80]
    points[42:48] = RNG.normal(0, 2, (6, 2)) + [120, 80]
    points[27], points[8] = [100, 80], [100, 140]
    return jnp.asarray(points, jnp.float32)


def test_points_go_to_the_crop_and_back(face):
    frame = crop.Frame(jnp.array([90.0, 80.0]), jnp.array(70.0), jnp.array(0.4))
    np.testing.assert_allclose(crop.from_crop(crop.to_crop(face, frame), frame), face, atol=1e-3)


@pytest.mark.parametrize("angle", [-1.0, 0.3, 1.4])
def test_crop_of_a_turned_grown_moved_face_shows_the_same(face, angle):
    frame = crop.crop_frame(face)
    moved = 1.7 * crop.turn(face, jnp.array([angle])) + jnp.array([[30.0, -12.0]])
    other = crop.crop_frame(moved)
    np.testing.assert_allclose(other.side / frame.side, 1.7, rtol=1e-3)
    difference = float(other.angle - frame.angle)
    assert abs(np.angle(np.exp(1j * (difference - angle)))) < 1e-3
    np.testing.assert_allclose(crop.to_crop(moved, other), crop.to_crop(face, frame), atol=1e-3)


def test_all_points_lie_in_the_middle_of_their_crop(face):
    inside = crop.to_crop(face, crop.crop_frame(face))
    low, high = inside.min(0), inside.max(0)
    np.testing.assert_allclose((low + high) / 2, 0.5, atol=1e-4)
    assert float((high - low).max()) == pytest.approx(1 / crop.MARGIN, rel=1e-4)


def test_resample_is_bilinear():
    picture = RNG.uniform(0, 1, (40, 50, 3)).astype(np.float32)
    frame = crop.Frame(jnp.array([24.0, 19.0]), jnp.array(18.0), jnp.array(0.5))
    got = crop.resample(jnp.asarray(picture), frame, 16)
    y, x = np.mgrid[:16, :16]
    grid = jnp.asarray((np.stack([x, y], -1).reshape(-1, 2) + 0.5) / 16, jnp.float32)
    place = np.asarray(crop.from_crop(grid, frame)) - 0.5
    for channel in range(3):
        want = ndimage.map_coordinates(picture[..., channel], place[:, ::-1].T, order=1)
        np.testing.assert_allclose(np.asarray(got)[..., channel].ravel(), want, atol=1e-4)


def test_pillow_cuts_the_same_crop_as_the_training_code():
    from jaxtalk.face import detect

    smooth = ndimage.gaussian_filter(RNG.uniform(0, 255, (120, 140, 3)), (4, 4, 0))
    smooth = (smooth - smooth.min()) / np.ptp(smooth) * 255
    picture = smooth.astype(np.uint8)
    frame = crop.Frame(np.array([70.0, 10.0]), np.array(90.0), np.array(-0.35))  # reaches over the upper border
    want = crop.resample(jnp.asarray(picture, jnp.float32), jax.tree.map(jnp.float32, frame), 80)
    got = detect.cut(Image.fromarray(picture), frame, 80)
    difference = np.abs(np.asarray(want) - got)
    assert difference.mean() < 1.5 and difference.max() < 12
