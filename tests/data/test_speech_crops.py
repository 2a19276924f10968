"""Pieces of recordings: where they begin, and that targets and phonemes stay with their sound."""

import numpy as np
import pytest
import soundfile

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
    with pytest.raises(InputError, match="no recording has 1.00 s of speech"):
        SpeechCrops([speech], 16000)


def test_phonemes_are_those_in_the_middle_of_each_frame():
    record = {"phoneme_start": np.array([0.0, 0.05, 0.0925]), "phoneme": np.array([7, 3, 5]), "speech": np.ones(3000)}
    # Frames are centred on 12.5 ms + k 20 ms.
    np.testing.assert_array_equal(speech_crops.phonemes(record, 6), [7, 7, 3, 3, 5, 5])
    speech, length, phonemes = speech_crops.start(record, 4000)
    assert speech.shape == (4000,) and length == 3000 and not speech[3000:].any() and len(phonemes) == 12


def test_a_folder_of_recordings(tmp_path):
    (tmp_path / "inner").mkdir()
    tone = np.sin(np.arange(8000) / 5) / 2
    soundfile.write(tmp_path / "inner" / "a.flac", tone, 8000)
    soundfile.write(tmp_path / "b.wav", tone[:4000], 16000)
    (tmp_path / "notes.txt").write_text("no speech")
    short, long = speech_crops.of_folder(tmp_path)
    assert len(short) == 4000 and abs(len(long) - 16000) < 10 and short.dtype == np.int16
    np.testing.assert_allclose(short / 32768, tone[:4000], atol=1e-4)
    with pytest.raises(InputError, match="holds no recordings"):
        speech_crops.of_folder(tmp_path / "none")
