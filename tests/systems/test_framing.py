import numpy as np
import pytest

from jaxtalk.errors import InputError
from jaxtalk.systems import framing

RNG = np.random.default_rng(0)


def face(centre=(300.0, 250.0), reach=60.0):
    """Eyes at the centre, chin `reach` below; other points do not matter here."""
    landmarks = np.zeros((68, 2))
    landmarks[36:48] = centre
    landmarks[8] = centre[0], centre[1] + reach
    return landmarks


IMAGE = RNG.integers(0, 256, (500, 601, 3), dtype=np.uint8)


@pytest.mark.parametrize("crop", ["crop", "resize", "full"])
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
