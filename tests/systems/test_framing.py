import numpy as np
import pytest

from jaxtalk.errors import InputError
from jaxtalk.face.head_square import head_square
from jaxtalk.systems import framing

RNG = np.random.default_rng(0)


def face(centre=(300.0, 250.0), reach=60.0):
    """Eyes at the centre, chin `reach` below; other points do not matter here."""
    landmarks = np.zeros((68, 2))
    landmarks[36:48] = centre
    landmarks[8] = centre[0], centre[1] + reach
    return landmarks


def whole_face(centre=(300.0, 250.0), unit=30.0, tilt=0.0):
    """Eyes two units apart with their middle at the centre, the mouth 2.2 below, the chin 4, turned by `tilt`."""
    right, down = np.array([np.cos(tilt), np.sin(tilt)]), np.array([-np.sin(tilt), np.cos(tilt)])
    landmarks = np.zeros((68, 2))
    landmarks[36:42], landmarks[42:48] = centre - unit * right, centre + unit * right
    landmarks[48], landmarks[54] = (centre + unit * (2.2 * down + side * right) for side in (-0.8, 0.8))
    landmarks[8] = centre + 4 * unit * down
    return landmarks


IMAGE = RNG.integers(0, 256, (500, 601, 3), dtype=np.uint8)


@pytest.mark.parametrize("crop", ["crop", "extcrop", "resize", "full", "extfull"])
def test_pasting_the_untouched_region_gives_the_canvas(crop):
    framed = framing.frame(IMAGE, face(), crop, 256)
    np.testing.assert_array_equal(framed.paste(framed.face), framed.canvas)


def test_crop_has_the_size_asked_for_and_holds_the_face():
    framed = framing.frame(IMAGE, face(), "crop", 256)
    assert framed.canvas.shape == (256, 256, 3)
    assert (framed.landmarks[[8, 36]] > 0).all() and (framed.landmarks[[8, 36]] < 256).all()


def test_full_keeps_the_pixels_and_makes_sides_even():
    framed = framing.frame(IMAGE, face(), "full", 256)
    np.testing.assert_array_equal(framed.canvas, IMAGE[:500, :600])
    x, y, *_ = framed.region
    np.testing.assert_allclose(framed.landmarks + (x, y), face())


def test_resize_keeps_the_shape_of_the_picture():
    framed = framing.frame(IMAGE, face(), "resize", 256)
    assert framed.canvas.shape == (212, 256, 3)


def test_square_near_the_border_stays_inside():
    framed = framing.frame(IMAGE, face(centre=(20.0, 30.0)), "full", 256)
    x, y, width, height = framed.region
    assert x >= 0 and y >= 0 and x + width <= 600 and y + height <= 500


def test_tiny_face_is_refused():
    with pytest.raises(InputError, match="too small"):
        framing.frame(IMAGE, face(reach=5.0), "crop", 256)


def test_ext_widens_the_square_by_a_fifth():
    inner, outer = (framing.frame(IMAGE, face(reach=40.0), crop, 256).region for crop in ("full", "extfull"))
    assert outer[2] == pytest.approx(1.2 * inner[2], abs=2)
    assert outer[0] + outer[2] / 2 == pytest.approx(inner[0] + inner[2] / 2, abs=2)
    inner, outer = (framing.squeezed(IMAGE, whole_face(), crop, 64).framing.region for crop in ("full", "extfull"))
    assert outer[2] == pytest.approx(1.2 * inner[2], abs=2)


@pytest.mark.parametrize("tilt", [0.0, 0.35, -0.2])
def test_head_square_is_the_box_around_ffhqs_turned_square(tilt):
    """As written in FFHQ's recipe: corners c - x - y, c - x + y, c + x + y, c + x - y."""
    landmarks = whole_face(tilt=tilt)
    across, down = (np.array([np.cos(tilt), np.sin(tilt)]), np.array([-np.sin(tilt), np.cos(tilt)]))
    half = max(2 * 60.0, 1.8 * 66.0)
    centre = np.array([300.0, 250.0]) + 0.1 * 66 * down
    corners = np.stack([centre + half * (a * across + b * down) for a in (-1, 1) for b in (-1, 1)])
    square = head_square(landmarks)
    np.testing.assert_allclose(square.centre, (corners.min(0) + corners.max(0)) / 2)
    np.testing.assert_allclose(np.ptp(corners, axis=0), square.side)


@pytest.mark.parametrize("crop", ["crop", "extcrop", "resize", "full", "extfull"])
def test_networks_see_squares_and_videos_have_the_published_sizes(crop):
    framed, picture = framing.squeezed(IMAGE, whole_face(), crop, 64)
    assert picture.shape == (64, 64, 3)
    sizes = {"resize": (54, 64, 3)} | dict.fromkeys(("full", "extfull"), (500, 600, 3))
    assert framed.canvas.shape == sizes.get(crop, (64, 64, 3))
    x, y, width, height = framed.region
    assert (width == height) == (crop != "resize") and (width, height) == framed.face.shape[1::-1]
    scale = np.array([width, height]) / 64  # of what is seen back to the region
    back = framed.landmarks * scale + (x, y)
    if crop.endswith("full"):
        np.testing.assert_allclose(back, whole_face(), atol=1e-9)
    if crop == "resize":
        np.testing.assert_allclose(back, whole_face() * [64 / 601, 54 / 500], atol=1e-9)


def test_networks_see_what_their_region_shows():
    y, x = np.mgrid[:500, :600]
    image = np.stack([x * 255 // 600, y * 255 // 500, 0 * x], -1).astype(np.uint8)
    framed, picture = framing.squeezed(image, whole_face(), "full", 64)
    x, y, side, _ = framed.region
    middles = (np.arange(64) + 0.5) * side / 64
    np.testing.assert_allclose(picture[32, :, 0], (x + middles) * 255 / 600, atol=2)
    np.testing.assert_allclose(picture[:, 32, 1], (y + middles) * 255 / 500, atol=2)


def test_tiny_faces_are_refused_by_networks_too():
    with pytest.raises(InputError, match="too small"):
        framing.squeezed(IMAGE, whole_face(unit=2.0), "crop", 64)
