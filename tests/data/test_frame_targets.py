"""Targets of frames on disk: in their places whatever the parts, worked out once, and a sample that is spread out."""

import numpy as np
import pytest

from jaxtalk.data import frame_targets
from jaxtalk.data.speech_crops import SpeechCrops

FRAMES = (7, 30, 1, 12, 25)


@pytest.fixture
def recordings(monkeypatch):
    """Each sample tells its frame, counted over all recordings; stretches and parts are short, so there are many."""
    monkeypatch.setattr(frame_targets, "STRETCH", 10)
    monkeypatch.setattr(frame_targets, "PART", 20)
    starts = np.cumsum((0, *FRAMES[:-1]))
    return [
        np.append(np.repeat(np.arange(start, start + count), 320), np.full(80, start + count - 1)).astype(np.int16)
        for start, count in zip(starts, FRAMES, strict=True)
    ]


def first_samples(piece):
    return piece[: (len(piece) - 400) // 320 * 320 + 1 : 320]


def test_targets_are_in_their_places_and_are_worked_out_once(recordings, tmp_path):
    lengths = []
    found = frame_targets.label(tmp_path, recordings, lambda piece: lengths.append(len(piece)) or first_samples(piece))
    assert max(lengths) <= 9 * 320 + 400
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"part-0000{k}.i16" for k in range(3)]
    rows = [row[:] for row in found]
    assert [len(row) for row in rows] == list(FRAMES) == [len(row) for row in found]
    np.testing.assert_array_equal(np.concatenate(rows), np.arange(sum(FRAMES)))
    assert found[1][3:6].tolist() == [10, 11, 12] and found[1][3:6].dtype == np.int32
    again = frame_targets.label(tmp_path, recordings, lambda piece: pytest.fail("worked out anew"))
    crops = SpeechCrops(recordings, 9 * 320 + 80, again)
    for index in range(len(crops)):
        piece = crops.crop(index, np.random.default_rng(index))
        np.testing.assert_array_equal(np.rint(piece["speech"] * 32768)[: 9 * 320 : 320], piece["target"])


def test_a_sample_is_of_all_recordings_and_has_no_frame_twice(recordings):
    def describe(piece):
        return first_samples(piece).astype(np.float32)[:, None]

    rows = frame_targets.sample(recordings, describe, 40, seed=0)[:, 0]
    assert len(rows) == len(set(rows)) <= 40 and set(rows) <= set(range(sum(FRAMES)))
    owners = np.searchsorted(np.cumsum(FRAMES), rows, side="right")
    assert set(owners) == set(range(len(FRAMES)))
    np.testing.assert_array_equal(rows, frame_targets.sample(recordings, describe, 40, seed=0)[:, 0])
