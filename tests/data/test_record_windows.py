"""Windows of frames out of records: which there are, what is in them, and that a stream goes on where it was."""

import io

import grain
import numpy as np
import pytest
from PIL import Image

from jaxtalk.data import windows
from jaxtalk.data.windows import Windows
from jaxtalk.errors import InputError


def records(*lengths, first=0):
    """Records whose frames tell record and frame."""
    made = [{"frame": 1000 * (first + number) + np.arange(length)} for number, length in enumerate(lengths)]
    return grain.MapDataset.source(made), np.array(lengths)


def cut(record, first, count):
    return {"frame": record["frame"][first : first + count]}


def test_every_window_that_fits_is_there_once():
    for lengths, frames, stride in (((10, 3, 4, 9), 4, 2), ((7, 7), 7, 1), ((1, 12, 2), 5, 5), ((6, 9), 2, 3)):
        chosen = Windows(*records(*lengths), frames, cut, stride)
        wanted = [
            [1000 * number + first + k for k in range(frames)]
            for number, length in enumerate(lengths)
            for first in range(0, length - frames + 1, stride)
        ]
        assert [chosen[index]["frame"].tolist() for index in range(len(chosen))] == wanted


def test_windows_stand_side_by_side_where_no_stride_is_said():
    chosen = Windows(*records(10), 4, cut)
    assert [chosen.place(index) for index in range(len(chosen))] == [(0, 0), (0, 4)]


def test_records_that_are_all_too_short_are_refused():
    with pytest.raises(InputError, match="no record has 8 frames"):
        Windows(*records(7, 3), 8, cut)


def test_sources_have_their_shares_and_all_their_windows_come():
    sources = [(Windows(*records(40, 41), 4, cut), 0.75), (Windows(*records(30, first=9), 4, cut), 0.25)]
    stream = windows.stream(sources, batch=4, seed=0)
    seen = np.concatenate([stream[number]["frame"][:, 0] for number in range(40)])
    assert np.mean(seen >= 9000) == 0.25
    assert len(set(seen[seen < 9000])) == 20 and len(set(seen[seen >= 9000])) == 7
    again = windows.stream(sources, batch=4, seed=0)
    np.testing.assert_array_equal(again[7]["frame"], stream[7]["frame"])
    assert any(not np.array_equal(windows.stream(sources, 4, 1)[k]["frame"], stream[k]["frame"]) for k in range(3))


def test_lengths_are_read_once_until_records_are_added(tmp_path):
    looks = []
    source, lengths = records(5, 8)
    watched = source.map(lambda record: looks.append(1) or record)
    for _ in range(2):
        np.testing.assert_array_equal(windows.lengths(tmp_path, "train", watched, "frame"), lengths)
    assert len(looks) == 2
    (tmp_path / "summary.json").write_text("more")
    windows.lengths(tmp_path, "train", watched, "frame")
    assert len(looks) == 4
    (tmp_path / "lengths-train.npz").write_bytes(b"half")
    np.testing.assert_array_equal(windows.lengths(tmp_path, "train", watched, "frame"), lengths)


def jpeg(value):
    file = io.BytesIO()
    Image.fromarray(np.full((16, 16, 3), value, np.uint8)).save(file, "JPEG", quality=95)
    return file.getvalue()


def test_pictures_sound_and_labels_of_a_window_belong_together():
    count = 6
    record = {
        "frames": [jpeg(30 * k) for k in range(count)],
        "speech": np.repeat(np.arange(count, dtype=np.int16), 640),
    }
    record |= {name: np.arange(count) for name in ("landmarks", "expression", "rotation", "translation")}
    example = windows.talking(record, 2, 3)
    np.testing.assert_allclose(example["frames"].mean((1, 2, 3)), [60, 90, 120], atol=1)
    assert example["frames"].dtype == np.uint8 and example["frames"].shape == (3, 16, 16, 3)
    np.testing.assert_array_equal(example["speech"], np.repeat([2, 3, 4], 640))
    for name in ("landmarks", "expression", "rotation", "translation"):
        np.testing.assert_array_equal(example[name], [2, 3, 4])


def test_windows_of_meshes_have_sounds_of_one_length_that_begin_with_them():
    """At 60 frames a second no frame begins at a whole sample."""
    record = {"fps": np.float32(60), "vertices": np.arange(120)[:, None, None], "template": np.zeros((1, 3))}
    record["speech"] = np.arange(32000).astype(np.int16)
    for first in range(0, 120 - 30 + 1):
        example = windows.meshes(record, first, 30)
        assert example["vertices"][0, 0, 0] == first and len(example["speech"]) == 8000
        assert abs(example["speech"][0] - first * 16000 / 60) <= 0.5
