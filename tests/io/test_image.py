import io
import os
import struct
import time
import zlib

import av
import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxtalk.errors import InputError
from jaxtalk.io import image

RAMP = np.stack(np.broadcast_arrays(np.arange(0, 256, 8)[:, None], np.arange(0, 256, 4)[None], 100), -1).astype(
    np.uint8
)


def save(path, array, mode=None, **options):
    picture = PIL.Image.fromarray(array)
    (picture.convert(mode) if mode else picture).save(path, **options)
    return path


def close(a, b, tolerance=6.0):
    assert a.shape == b.shape and a.dtype == np.uint8
    assert np.abs(a.astype(int) - b).mean() < tolerance


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "ppm", "gif", "jpg", "webp"])
def test_common_formats_load(tmp_path, suffix):
    save(tmp_path / f"a.{suffix}", RAMP)
    close(image.load(tmp_path / f"a.{suffix}"), RAMP, 1 if suffix in ("png", "bmp", "tiff", "ppm") else 12)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".JPEG"])
def test_what_is_saved_loads(tmp_path, suffix):
    image.save(tmp_path / f"a{suffix}", RAMP)
    close(image.load(tmp_path / f"a{suffix}"), RAMP, 6)
    assert os.listdir(tmp_path) == [f"a{suffix}"]


def test_saving_elsewhere_is_an_input_error(tmp_path):
    for name in ("a.gif", "absent/a.png"):
        with pytest.raises(InputError):
            image.save(tmp_path / name, RAMP)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    """Each tag says how an upright picture was stored."""
    stored = {
        1: RAMP, 2: RAMP[:, ::-1], 3: RAMP[::-1, ::-1], 4: RAMP[::-1],
        5: RAMP.swapaxes(0, 1), 6: np.rot90(RAMP, 1), 7: np.rot90(RAMP.swapaxes(0, 1), 2), 8: np.rot90(RAMP, -1),
    }[orientation]  # fmt: skip
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    save(tmp_path / "a.jpg", np.ascontiguousarray(stored), exif=exif, quality=95)
    close(image.load(tmp_path / "a.jpg"), RAMP)


def test_grey_palette_and_cmyk_become_rgb(tmp_path):
    grey = np.repeat(RAMP[..., :1], 3, -1)
    close(image.load(save(tmp_path / "l.png", RAMP[..., 0])), grey, 1)
    close(image.load(save(tmp_path / "l.jpg", RAMP[..., 0])), grey)
    close(
        image.load(save(tmp_path / "one.png", RAMP, "1")),
        np.repeat((RAMP.mean(-1, keepdims=True) > 127) * 255, 3, -1),
        128,
    )
    close(image.load(save(tmp_path / "p.png", RAMP, "P")), RAMP, 20)
    close(image.load(save(tmp_path / "cmyk.jpg", RAMP, "CMYK", quality=95)), RAMP)
    close(image.load(save(tmp_path / "cmyk.tiff", RAMP, "CMYK")), RAMP, 2)


@pytest.mark.parametrize("dtype, scale", [(np.uint16, 257), (np.int32, 257), (np.float32, 1 / 255)])
def test_deep_grey_is_scaled_by_its_full_scale(tmp_path, dtype, scale):
    dark = RAMP[..., 0] // 2  # must stay dark, so no stretching to its own peak
    PIL.Image.fromarray((dark.astype(float) * scale).astype(dtype)).save(tmp_path / "a.tiff")
    close(image.load(tmp_path / "a.tiff"), np.repeat(dark[..., None], 3, -1), 1)


def test_16_bit_png_in_colour_and_grey(tmp_path):
    for channels, kind in ((1, 0), (3, 2)):
        data = (RAMP[..., :channels].astype(">u2") * 257).reshape(32, -1)
        rows = b"".join(b"\0" + row.tobytes() for row in data)
        chunks = [
            (b"IHDR", struct.pack(">IIBBBBB", 64, 32, 16, kind, 0, 0, 0)),
            (b"IDAT", zlib.compress(rows)),
            (b"IEND", b""),
        ]
        (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*c) for c in chunks))
        close(image.load(tmp_path / "a.png"), np.broadcast_to(RAMP[..., :channels], RAMP.shape), 1)


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def test_transparency_is_laid_over_white(tmp_path):
    alpha = np.linspace(0, 255, 64).astype(np.uint8)[None].repeat(32, 0)
    expected = RAMP * (alpha[..., None] / 255) + 255 - alpha[..., None]
    close(image.load(save(tmp_path / "a.png", np.dstack([RAMP, alpha]))), expected, 1)
    close(
        image.load(save(tmp_path / "la.png", np.dstack([RAMP[..., 0], alpha]))), np.repeat(expected[..., :1], 3, -1), 1
    )
    palette = PIL.Image.fromarray(np.zeros((4, 4), np.uint8), "P")
    palette.putpalette([10, 20, 30, 0, 0, 0])
    palette.save(tmp_path / "p.png", transparency=0)
    assert (image.load(tmp_path / "p.png") == 255).all()


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tiff"])
def test_of_an_animation_the_first_frame_is_taken(tmp_path, name):
    first, *others = (PIL.Image.fromarray(np.roll(RAMP, 100 * k)) for k in range(3))
    first.save(tmp_path / name, save_all=True, append_images=others)
    close(image.load(tmp_path / name), RAMP, 12)


def test_of_a_video_the_first_frame_is_taken(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        for k in range(5):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(RAMP, 100 * k), format="rgb24")))
        file.mux(stream.encode())
    close(image.load(tmp_path / "a.mp4"), RAMP, 12)
    assert image.load(tmp_path / "a.mp4", max_pixels=512).shape == (16, 32, 3)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif"])
def test_a_huge_but_legal_picture_is_scaled_down_with_a_message(tmp_path, caplog, suffix):
    save(tmp_path / f"a.{suffix}", np.kron(RAMP, np.ones((20, 20, 1), np.uint8)))
    loaded = image.load(tmp_path / f"a.{suffix}", max_pixels=64 * 32)
    close(loaded, RAMP, 12)
    assert f"a.{suffix}: 1280x640 pixels are scaled down to 64x32" in caplog.text


@pytest.mark.parametrize("size", [(30_000, 30_000), (14_000, 12_000), (2**31 - 1, 2**31 - 1), (1_000_000, 1_000)])
def test_a_header_that_promises_too_much_is_refused_before_decoding(tmp_path, size):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))))
    start = time.monotonic()
    with pytest.raises(InputError, match=r"a\.png: .*too many"):
        image.load(tmp_path / "a.png")
    assert time.monotonic() - start < 1


def test_what_is_no_picture_is_refused_in_one_line(tmp_path):
    good = save(tmp_path / "good.png", RAMP).read_bytes()
    photo = save(tmp_path / "good.jpg", RAMP).read_bytes()
    wrong = {
        "empty.png": (b"", "empty"),
        "garbage.png": (np.random.default_rng(0).bytes(5000), "holds no picture"),
        "text.jpg": (b"To be, or not to be.\n" * 100, "holds no picture"),
        "cut.png": (good[: len(good) // 2], "cut off"),
        "cut.jpg": (photo[: len(photo) // 2], "cut off"),
        "header.png": (good[:40], "cut off|holds no picture"),
        "sound.jpg": (b"RIFF\x24\0\0\0WAVEfmt ", "holds no picture"),
        "phone.jpg": (b"\0\0\0\x18ftypheic" + bytes(100), "HEIC"),
        "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "holds no picture"),
        "drawing.svg": (
            b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
            "holds no",
        ),
        "list.png": (b"#EXTM3U\n#EXTINF:1,\ngood.png\n", "holds no picture"),
    }
    for name, (content, message) in wrong.items():
        (tmp_path / name).write_bytes(content)
        start = time.monotonic()
        with pytest.raises(InputError, match=message) as caught:
            image.load(tmp_path / name)
        assert time.monotonic() - start < 1
        assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)


@given(data=st.data())
@settings(max_examples=200, deadline=5_000)
def test_fuzzed_pictures_give_an_array_or_an_input_error(tmp_path_factory, data):
    kind = data.draw(st.sampled_from(["png", "jpeg", "gif", "webp", "tiff", "bmp", "ppm", None]))
    if kind:
        buffer = io.BytesIO()
        PIL.Image.fromarray(RAMP).save(buffer, format=kind)
        content = bytearray(buffer.getvalue())
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
            content[place] = data.draw(st.integers(0, 255))
        content = content[: data.draw(st.integers(1, len(content)))]
    else:
        content = data.draw(st.binary(min_size=1, max_size=500))
    path = tmp_path_factory.getbasetemp() / "fuzz.png"
    path.write_bytes(content)
    try:
        loaded = image.load(path, max_pixels=10_000)
    except InputError as error:
        assert "fuzz.png" in str(error) and "\n" not in str(error)
    else:
        assert loaded.dtype == np.uint8 and loaded.ndim == 3 and 0 < loaded.size <= 30_000


def test_real_portraits_load(media):
    for path in sorted(media.glob("portrait/*")):
        loaded = image.load(path)
        assert loaded.ndim == 3 and min(loaded.shape[:2]) > 200 and loaded.std() > 10, path
