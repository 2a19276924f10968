"""Crops for the published lip-sync networks, against their definition in OpenCV's terms, written out."""

import numpy as np
import pytest
from scipy import ndimage, signal

from jaxtalk.errors import InputError
from jaxtalk.face import mouth_crops

RNG = np.random.default_rng(0)


def picture(height=120, width=150):
    smooth = ndimage.gaussian_filter(RNG.uniform(0, 255, (height, width, 3)), (3, 3, 0))
    return ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)


def bilinear(pixels, side):
    """Four pixels each at half-pixel centres, as OpenCV's default."""
    height, width, _ = pixels.shape
    y, x = ((np.arange(side) + 0.5) * n / side - 0.5 for n in (height, width))
    places = np.meshgrid(np.clip(y, 0, height - 1), np.clip(x, 0, width - 1), indexing="ij")
    return np.stack([ndimage.map_coordinates(pixels[..., c].astype(float), places, order=1) for c in range(3)], -1)


@pytest.mark.parametrize("half", [20.0, 55.5, 130.0])  # enlarged, over the border, reduced
def test_syncnet_crop_is_cut_from_a_grey_frame_around_the_box(half):
    frame = picture(400, 500) if half > 100 else picture()
    place = np.array([71.3, 58.8, half]) * (2.5 if half > 100 else 1.0)
    place[2] = half
    x, y, s = place
    border = int(s * 1.8)
    grey = np.pad(frame, ((border, border), (border, border), (0, 0)), constant_values=110)
    y, x = y + border, x + border
    cut = grey[int(y - s) : int(y + s * 1.8), int(x - s * 1.4) : int(x + s * 1.4)]
    crop = mouth_crops.syncnet_crop(frame, place)
    assert crop.dtype == np.uint8 and np.abs(bilinear(cut, 224)[..., ::-1] - crop).max() <= 1.01


def test_wav2lip_crop_is_the_lower_half_of_the_squeezed_box():
    frame = picture()
    crop = mouth_crops.wav2lip_crop(frame, np.array([-3.2, 10.9, 80.7, 115.1]))
    expected = bilinear(frame[10:115, 0:80], 96)[48:, :, ::-1] / 255
    assert crop.dtype == np.float32 and np.abs(crop - expected).max() <= 1.01 / 255


def test_colours_come_blue_first():
    frame = np.zeros((60, 60, 3), np.uint8)
    frame[..., 0] = 255  # red
    assert (mouth_crops.wav2lip_crop(frame, np.array([5.0, 5.0, 50.0, 50.0])) == [0, 0, 1]).all()
    assert (mouth_crops.syncnet_crop(frame, np.array([30.0, 26.0, 15.0])) == [0, 0, 255]).all()


def test_track_is_the_published_median_with_zeros_beyond_the_ends():
    boxes = RNG.uniform(50, 60, (40, 4)) + [0, 0, 90, 110]
    values = mouth_crops.track(boxes)
    for column, expected in enumerate(
        [
            (boxes[:, 0] + boxes[:, 2]) / 2,
            (boxes[:, 1] + boxes[:, 3]) / 2,
            np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) / 2,
        ]
    ):
        np.testing.assert_allclose(values[:, column], signal.medfilt(expected, 13))


@pytest.mark.parametrize("frames", [1, 2, 6, 12])
def test_track_of_a_short_clip_keeps_its_face(frames):
    boxes = np.tile([40.0, 30.0, 80.0, 90.0], (frames, 1))
    np.testing.assert_allclose(mouth_crops.track(boxes), np.tile([60.0, 60.0, 30.0], (frames, 1)))


def test_detector_box_holds_the_landmarks_and_the_forehead():
    landmarks = RNG.uniform(100, 200, (3, 68, 2))
    before = landmarks.copy()
    box = mouth_crops.detector_box(landmarks)
    np.testing.assert_array_equal(landmarks, before)
    np.testing.assert_allclose(box[:, [0, 2, 3]], np.stack([before[..., 0].min(1), *before.max(1).T], 1))
    above = (before[..., 1].min(1) - box[:, 1]) / np.ptp(before[..., 1], axis=1)
    np.testing.assert_allclose(above, 0.31)


def test_windows_are_five_frames_from_each_on():
    crops = np.arange(9, dtype=np.uint8)[:, None, None, None] * np.ones((2, 4, 3), np.uint8)
    views = mouth_crops.windows(crops)
    assert views.shape == (5, 5, 2, 4, 3) and mouth_crops.windows(crops, 4).shape[0] == 4
    np.testing.assert_array_equal(views[3, :, 0, 0, 0], [3, 4, 5, 6, 7])
    with pytest.raises(InputError, match="too short for lip sync"):
        mouth_crops.windows(crops[:4])


def test_a_box_outside_its_frame_is_refused_in_one_line():
    frame = picture()
    for cut in (
        lambda: mouth_crops.wav2lip_crop(frame, np.array([160.0, 5.0, 190.0, 40.0])),
        lambda: mouth_crops.syncnet_crop(frame, np.array([-200.0, 50.0, 20.0])),
    ):
        with pytest.raises(InputError, match="outside its frame of 150x120"):
            cut()


def test_real_face_fills_the_crop(media):
    """The mouth of a found face lies in the middle of the lower half, where the networks saw it."""
    from jaxtalk.face import detect
    from jaxtalk.io import image

    frame = image.load(media / "portrait" / "st_happy.png")
    landmarks = detect.faces(frame)[0].landmarks.astype(float)
    box = mouth_crops.detector_box(landmarks)
    x, y = (landmarks[48:].mean(0) - box[:2]) / (box[2:] - box[:2])
    assert 0.35 < x < 0.65 and 0.7 < y < 0.9
    crop = mouth_crops.syncnet_crop(frame, mouth_crops.track(box[None])[0])
    assert crop.shape == (224, 224, 3) and crop.std() > 20
