"""Finding faces with the shipped weights: real pictures and videos, several faces, and pictures without a face."""

import itertools

import numpy as np
import pytest
from PIL import Image

from jaxtalk.face import detect
from jaxtalk.face.mediapipe import LANDMARKS_68, MIRROR_68
from jaxtalk.io import image, video

ONE_FACE = ("st_happy.png", "st_people_0.png", "st_sad1.png", "lp_s12.jpg", "st_art_10.png", "lp_s9.jpg")
ONE_FACE += ("st_full_body_1.png", "lp_s7.jpg")
CLIPS = ("hdtf_katiehill", "RD_Radio2_000", "RD_Radio34_000", "WDA_BobMenendez_000", "cnn2_25fps")
CLIPS += ("M003_level_1_disgusted_015", "M030_level_3_angry_016", "W023_level_2_surprised_010")
FRAMES, STEP = 120, 12  # of each clip


def over_eyes(points, truth):
    return np.linalg.norm(points - truth, axis=-1).mean() / np.linalg.norm(truth[36] - truth[45])


@pytest.mark.parametrize("name", CLIPS)
def test_landmarks_of_real_videos_are_where_the_tracks_say(media, name):
    with np.load(media / "tracks" / f"{name}.npz") as z:
        height, width = z["height_width"]
        truth = z["landmarks"][:, LANDMARKS_68, :2].astype(np.float64) * [width, height]
    frames = itertools.islice(video.frames(media / "video" / f"{name}.mp4"), 0, FRAMES, STEP)
    found = list(detect.track(frames))
    assert all(face is not None for face in found)
    errors = [over_eyes(face.landmarks, points) for face, points in zip(found, truth[::STEP], strict=False)]
    assert len(errors) >= 7
    assert np.mean(errors) <= 0.06


@pytest.mark.parametrize("name", ONE_FACE)
def test_photos_paintings_and_the_cartoon_have_one_face(media, name):
    found = detect.faces(image.load(media / "portrait" / name))
    assert len(found) == 1
    assert found[0].confidence > detect.ACCEPT


def test_a_monkey_is_no_face(media):
    assert detect.faces(image.load(media / "portrait" / "lp_s22.jpg")) == []


def test_several_faces_come_largest_first(media):
    left, right = (Image.open(media / "portrait" / name).convert("RGB") for name in ("st_sad1.png", "st_people_0.png"))
    canvas = Image.new("RGB", (900, 500), (90, 100, 110))
    canvas.paste(left, (20, 150))
    canvas.paste(right, (400, 10))
    found = detect.faces(np.asarray(canvas))
    assert len(found) == 2
    assert found[0].size > found[1].size
    assert found[0].box[0] > 400 and found[1].box[2] < 300


def test_a_face_is_found_when_it_is_forty_pixels_large(media):
    picture = Image.open(media / "portrait" / "st_people_0.png").convert("RGB")
    whole = detect.faces(np.asarray(picture))[0]
    scale = 40 / whole.size
    small = picture.resize([round(extent * scale) for extent in picture.size], Image.Resampling.LANCZOS)
    canvas = Image.new("RGB", (640, 480), (60, 80, 70))
    canvas.paste(small, (300, 200))
    found = detect.faces(np.asarray(canvas))
    assert len(found) == 1
    assert over_eyes((found[0].landmarks - [300, 200]) / scale, whole.landmarks) < 0.08


def test_mirrored_picture_gives_mirrored_landmarks(media):
    picture = image.load(media / "portrait" / "st_happy.png")
    face, other = detect.faces(picture)[0], detect.faces(np.ascontiguousarray(picture[:, ::-1]))[0]
    back = (other.landmarks * [-1, 1] + [picture.shape[1], 0])[MIRROR_68]
    assert over_eyes(back, face.landmarks) < 0.04


def test_turned_heads_are_found(media):
    picture = Image.open(media / "portrait" / "st_people_0.png").convert("RGB")
    upright = detect.faces(np.asarray(picture))[0].landmarks
    centre = np.array(picture.size) / 2
    for degrees in (-30, 30):
        turned = detect.faces(np.asarray(picture.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(200, 200, 200))))
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        expected = (upright - centre) @ np.array([[c, -s], [s, c]]) + centre
        assert len(turned) == 1
        assert over_eyes(turned[0].landmarks, expected) < 0.08


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (300, 5), (64, 64), (480, 640)])
def test_noise_and_slivers_have_no_face(shape):
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert detect.faces(picture) == []
    assert detect.faces(np.full((*shape, 3), 128, np.uint8)) == []


def test_track_says_nothing_of_frames_without_the_face_and_goes_on(media):
    picture = image.load(media / "portrait" / "st_happy.png")
    empty = np.full_like(picture, 100)
    shifted = np.roll(picture, 3, axis=1)
    found = list(detect.track([empty, picture, shifted, empty, picture]))
    assert [face is not None for face in found] == [False, True, True, False, True]
    moved = found[2].landmarks - found[1].landmarks
    np.testing.assert_allclose(moved.mean(0), [3, 0], atol=1)


def test_track_follows_the_face_it_starts_with(media):
    small, large = (Image.open(media / "portrait" / name).convert("RGB") for name in ("st_sad1.png", "st_people_0.png"))
    canvas = Image.new("RGB", (800, 480), (90, 100, 110))
    canvas.paste(small, (20, 150))
    canvas.paste(large, (320, 0))
    picture = np.asarray(canvas)
    second = detect.faces(picture)[1]
    for face in detect.track([picture, picture], start=second):
        assert np.abs(face.box - second.box).max() < 10


def test_overlap_of_squares_equals_counting_pixels():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:100, :100] + 0.5
    for _ in range(20):
        (a, b), (r, s) = rng.uniform(30, 70, (2, 2)).round(), rng.integers(5, 15, 2) * 2
        one, two = ((abs(x - m[0]) < d / 2) & (abs(y - m[1]) < d / 2) for m, d in ((a, r), (b, s)))
        expected = (one & two).sum() / (one | two).sum()
        assert detect.overlap(a, r, b, s) == pytest.approx(expected, abs=1e-6)


def test_face_reports_box_of_its_landmarks(media):
    face = detect.faces(image.load(media / "portrait" / "st_sad1.png"))[0]
    np.testing.assert_allclose(face.box[:2], face.landmarks.min(0))
    np.testing.assert_allclose(face.box[2:], face.landmarks.max(0))
    assert face.spread.shape == (68,) and (face.spread > 0).all()
