"""Videos that one can see through, read back by decoders that know opacity."""

import av
import numpy as np
import pytest
from PIL import Image

from jaxtalk.errors import InputError
from jaxtalk.io import alpha_video

COUNT, HEIGHT, WIDTH = 6, 47, 64


def scene(k):
    """Smooth colours behind an edge of opacity that moves."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([3 * x, 4 * y, 0 * x + 100, np.clip(20 * (x - 10 - 2 * k), 0, 255)], -1).astype(np.uint8)


def record(path):
    sound = (0.3 * np.sin(np.arange(4000) / 10).astype(np.float32), 16_000)
    with alpha_video.Writer(path, WIDTH, HEIGHT, 25.0, audio=sound, metadata={"comment": "synthetic"}) as writer:
        for k in range(COUNT):
            writer.write(scene(k))
    return path


@pytest.mark.parametrize("suffix, error", [(".mov", 1), (".webm", 6)])
def test_opacity_and_colours_come_back(tmp_path, suffix, error):
    with av.open(str(record(tmp_path / f"out{suffix}"))) as file:
        stream = file.streams.video[0]
        decoder = av.CodecContext.create("libvpx-vp9", "r") if suffix == ".webm" else stream
        frames = [frame for packet in file.demux(stream) for frame in decoder.decode(packet)]
        assert file.streams.audio and "synthetic" in {value for _, value in file.metadata.items()}
        assert suffix != ".webm" or {k.lower(): v for k, v in stream.metadata.items()}["alpha_mode"] == "1"
    found = np.stack([frame.to_ndarray(format="rgba") for frame in frames])[:, :HEIGHT].astype(int)
    true = np.stack([scene(k) for k in range(COUNT)]).astype(int)
    assert np.abs(found - true)[..., 3].max() <= 3
    assert np.abs(found - true)[true[..., 3] == 255].mean() < error


def test_a_folder_of_pictures_is_exact_and_appears_whole_or_not_at_all(tmp_path):
    with alpha_video.Folder(tmp_path / "frames", {"comment": "synthetic"}) as writer:
        for k in range(COUNT):
            writer.write(scene(k))
    files = sorted((tmp_path / "frames").iterdir())
    assert [file.name for file in files] == [f"{k:05d}.png" for k in range(COUNT)]
    with Image.open(files[3]) as picture:
        assert picture.info["comment"] == "synthetic"
        np.testing.assert_array_equal(np.asarray(picture), scene(3))
    with pytest.raises(KeyboardInterrupt), alpha_video.Folder(tmp_path / "broken") as writer:
        writer.write(scene(0))
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["frames"]


@pytest.mark.parametrize("name, said", [("a.mp4", "webm"), ("full", "not an empty"), ("no/x", "does not exist")])
def test_what_cannot_be_written_is_said_at_once_and_nothing_is_made(tmp_path, name, said):
    (tmp_path / "full" / "mine").mkdir(parents=True)
    with pytest.raises(InputError, match=said):
        alpha_video.check(tmp_path / name)
    assert alpha_video.check(tmp_path / "new") == tmp_path / "new"
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
