"""Crops for Deep3DFaceRecon: its definitions in numpy and PIL as oracle, and where points land."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageDraw

from jaxtalk.face import recon_crop


def face(scale, centre, turn=0.0, noise=0.0, seed=0):
    """68 points whose five are the standard face's: `scale` pixels for 1, its origin at `centre`."""
    rng = np.random.default_rng(seed)
    points = rng.normal(0, 0.4, (68, 2))
    c, s = np.cos(turn), np.sin(turn)
    five = (recon_crop.TEMPLATE @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]]).T)[:, :2] + rng.normal(0, noise, (5, 2))
    half = rng.normal(0, 0.1, (2, 2))
    points[[36, 39]], points[[42, 45]] = five[0] + [half[0], -half[0]], five[1] + [half[1], -half[1]]
    points[[30, 48, 54]] = five[2:]
    return jnp.asarray(points * [scale, -scale] + centre, jnp.float32)


def published(landmarks, height):
    """Scale and place as the published code finds them: y upwards, middles of pixels at whole numbers."""
    points = np.asarray(landmarks, np.float64) - 0.5
    points[:, 1] = height - 1 - points[:, 1]
    five = np.stack([points[[36, 39]].mean(0), points[[42, 45]].mean(0), *points[[30, 48, 54]]])
    system = np.zeros((10, 8))
    system[0::2, :3], system[0::2, 3] = recon_crop.TEMPLATE, 1
    system[1::2, 4:7], system[1::2, 7] = recon_crop.TEMPLATE, 1
    k = np.linalg.lstsq(system, five.ravel(), rcond=None)[0]
    return 102 / ((np.linalg.norm(k[:3]) + np.linalg.norm(k[4:7])) / 2), k[3], k[7]


def published_crop(picture, scale, x, y):
    height, width = picture.shape[:2]
    w, h = int(width * scale), int(height * scale)
    left, up = int(w / 2 - 112 + (x - width / 2) * scale), int(h / 2 - 112 + (height / 2 - y) * scale)
    whole = Image.fromarray(picture).resize((w, h), Image.Resampling.BICUBIC)
    return np.asarray(whole.crop((left, up, left + 224, up + 224)))


def smooth(height, width):
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / (7 + k)) * np.cos(y / (9 + 2 * k)) for k in range(3)]
    return np.uint8(127 + 120 * np.stack(waves, -1))


def test_an_upright_standard_face_gives_its_scale_and_place():
    found = recon_crop.align(face(51.0, (130.0, 97.5)))
    np.testing.assert_allclose(found.scale, 2.0, rtol=1e-5)
    np.testing.assert_allclose(found.centre, [130.0, 97.5], atol=1e-3)


@pytest.mark.parametrize("turn", [-0.6, 0.0, 0.9])
def test_parameters_are_the_published_ones(turn):
    landmarks = face(90.0, (300.0, 210.0), turn, noise=0.05)
    found = recon_crop.published(recon_crop.align(landmarks), 480)
    np.testing.assert_allclose(found, published(landmarks, 480), rtol=1e-4)


@pytest.mark.parametrize(
    ("size", "scale", "centre"),
    [((300, 260), 80.0, (131.3, 148.8)), ((97, 141), 31.0, (20.2, 70.9)), ((600, 450), 190.0, (430.0, 40.0))],
    ids=["inside", "small face at the border", "large face half outside"],
)
def test_pixels_are_the_published_ones(size, scale, centre):
    picture, landmarks = smooth(*size), face(scale, centre, 0.3, noise=0.03)
    got, _ = recon_crop.crop(picture, recon_crop.align(landmarks))
    want = published_crop(picture, *published(landmarks, size[0]))
    assert got.shape == (224, 224, 3) and got.dtype == np.uint8
    difference = np.abs(got.astype(int) - want)
    assert difference.max() <= 3 and difference.mean() < 0.05  # PIL rounds where a part begins
    assert ((got == 0).all(-1).mean() > 0.1) == (centre[0] != 131.3)  # black beyond the picture


def test_points_land_where_the_crop_shows_them():
    landmarks = face(60.0, (150.0, 120.0))
    picture = Image.new("RGB", (320, 260))
    five = np.asarray(recon_crop.five_points(landmarks))
    for x, y in five:
        ImageDraw.Draw(picture).ellipse([x - 4, y - 4, x + 4, y + 4], fill="white")
    got, place = recon_crop.crop(np.asarray(picture), recon_crop.align(landmarks))
    y, x = np.mgrid[:224, :224] + 0.5
    for point in place.to_crop(five):
        near = got[..., 0] * (np.hypot(x - point[0], y - point[1]) < 9)
        middle = np.array([(x * near).sum(), (y * near).sum()]) / near.sum()
        np.testing.assert_allclose(middle, point, atol=1.0)
    np.testing.assert_allclose(place.to_picture(place.to_crop(five)), five, rtol=1e-6)
    # The standard face's origin is in the middle, but for roundings, and its size is always the same.
    np.testing.assert_allclose(place.to_crop(np.array([150.0, 120.0])), 112, atol=1.5)
    np.testing.assert_allclose(np.diff(place.to_crop(five)[:2, 0]), 102 * 0.621286, atol=0.5)


def test_batches_and_single_faces_agree_and_gradients_are_finite():
    many = jnp.stack([face(40.0 + k, (100.0, 90.0), 0.2 * k, 0.05, seed=k) for k in range(3)])
    found = jax.jit(recon_crop.align)(many)
    for k in range(3):
        np.testing.assert_allclose(found.scale[k], recon_crop.align(many[k]).scale, rtol=1e-5)
    assert recon_crop.published(found, 200).shape == (3, 3)
    gradient = jax.jit(jax.grad(lambda p: sum(v.sum() for v in recon_crop.align(p))))(many)
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


def test_points_in_one_place_give_a_picture_all_the_same():
    found = recon_crop.align(jnp.full((68, 2), 7.0))
    got, _ = recon_crop.crop(smooth(20, 30), found)
    assert np.isfinite(found.scale) and got.shape == (224, 224, 3)
