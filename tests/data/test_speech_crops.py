"""Pieces of recordings: where they begin, and that targets and phonemes stay with their sound."""

import numpy as np
import pytest

from jaxtalk.data import speech_crops
from jaxtalk.data.speech_crops import SpeechCrops
from jaxtalk.errors import InputError


def numbered(frames, first):
    """A recording whose samples tell their frame, and its frames as targets."""
    samples = np.repeat(np.arange(first, first + frames), 320)
    return samples.astype(np.int16), np.arange(first, first + frames - 1, dtype=np.int32)


def test_targets_are_cut_where_the_speech_is():
    recordings, targets = zip(*(numbered(*shape) for shape in [(100, 0), (15, 200), (30, 400)]), strict=True)
    crops = SpeechCrops(list(recordings), 20 * 320, list(targets))
    assert len(crops) == 5 + 0 + 1
    starts = []
    for batch in list(crops.stream(4, seed=0)[:30]):
        speech, target = np.rint(batch["speech"] * 32768).astype(int), batch["target"]
        assert speech.shape == (4, 6400) and target.shape == (4, 19) and batch["speech"].dtype == np.float32
        np.testing.assert_array_equal(speech[:, : 19 * 320 : 320], target)
        starts.extend(target[:, 0])
    starts = np.array(starts)
    assert set(starts // 200) == {0, 2} and len(set(starts[starts < 200])) > 40  # any frame may come first
    assert starts.max() <= 410


def test_crops_without_targets_and_recordings_that_are_all_too_short():
    speech, _ = numbered(30, 0)
    assert set(SpeechCrops([speech], 6400).crop(0, np.random.default_rng(0))) == {"speech"}
    with pytest.raises(InputError, match="less than 1.00 s of speech"):
        SpeechCrops([speech], 16000)


def test_short_recordings_are_joined_and_their_targets_stay_with_them():
    """Every sample and target tells its place; 100 samples behind the whole hops of each are left out at a joint."""
    recordings, targets = [], []
    for first, count in ((0, 12), (100, 40), (200, 1), (300, 9), (400, 15), (500, 3)):
        recording, _ = numbered(count, first)
        recordings.append(
            np.append(recording, np.full(100, recording[-1], np.int16))
        )  # which make the last frame whole
        targets.append(np.arange(first, first + count, dtype=np.int32))
    crops = SpeechCrops(recordings, 20 * 320 + 80, targets)
    assert len(crops) == 2  # the long one; 12, 1 and 9; 15 and 3 are too few
    seen = set()
    for draw in range(200):
        piece = crops.crop(draw % 2, np.random.default_rng(draw))
        samples = np.rint(piece["speech"] * 32768).astype(int)
        np.testing.assert_array_equal(samples[: 20 * 320 : 320], piece["target"])
        assert len(samples) == 6480 and len(piece["target"]) == 20
        seen |= set(piece["target"].tolist())
    assert seen == {*range(12), *range(100, 140), 200, *range(300, 309)}


def test_at_a_joint_a_recording_without_a_last_frame_repeats_its_last_target():
    (one, first), (two, second) = numbered(3, 0), numbered(4, 10)
    target = SpeechCrops([one, two], 2000, [first, second]).crop(0, np.random.default_rng(0))["target"]
    places = [0, 1, 1, 10, 11, 12]
    assert any(places[k : k + 6] == target.tolist() for k in range(2)) or target.tolist() == places[1:] + [12]


def test_phonemes_are_those_in_the_middle_of_each_frame():
    record = {"phoneme_start": np.array([0.0, 0.05, 0.0925]), "phoneme": np.array([7, 3, 5]), "speech": np.ones(3000)}
    # Frames are centred on 12.5 ms + k 20 ms.
    np.testing.assert_array_equal(speech_crops.phonemes(record, 6), [7, 7, 3, 3, 5, 5])
    speech, length, phonemes = speech_crops.start(record, 4000)
    assert speech.shape == (4000,) and length == 3000 and not speech[3000:].any() and len(phonemes) == 12
