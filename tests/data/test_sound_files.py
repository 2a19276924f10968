"""Folders of recordings: what the index takes, leaves out and notices, and that slices are those of the whole file."""

import json
import os

import numpy as np
import pytest
import soundfile

from jaxtalk.audio import load
from jaxtalk.data import host_shares, sound_files
from jaxtalk.data.speech_crops import SpeechCrops
from jaxtalk.errors import InputError


def noise(samples, seed=0):
    smooth = np.convolve(np.random.default_rng(seed).normal(size=samples + 7), np.ones(8) / 8, "valid")
    return np.rint(6000 * smooth).astype(np.int16)


def test_slices_of_files_are_those_of_the_samples_that_were_written(tmp_path):
    """FLAC in blocks of 4096, two channels, 24 bits, and a rate that has to be resampled."""
    (tmp_path / "b" / "c").mkdir(parents=True)
    mono = noise(50_000)
    soundfile.write(tmp_path / "b" / "c" / "a.flac", mono, 16000)
    soundfile.write(tmp_path / "b" / "stereo.wav", np.stack([mono, mono // 2], axis=1), 16000)
    soundfile.write(tmp_path / "deep.wav", mono.astype(np.int32) * 65536, 16000, subtype="PCM_24")
    soundfile.write(tmp_path / "low.flac", mono[:8000], 8000)
    found = sound_files.find(tmp_path)
    assert [len(sound) for sound in found][1:] == [50_000, 50_000, 16_000]
    flac, stereo, deep, low = found
    rng = np.random.default_rng(1)
    for first in [0, 49_000, *rng.integers(0, 49_000, 20).tolist()]:
        part = slice(first, first + 1000)
        np.testing.assert_array_equal(flac[part], mono[part])
        np.testing.assert_array_equal(deep[part], mono[part])
        assert np.abs(stereo[part] - 0.75 * mono[part]).max() <= 1
    whole = np.rint(load.load(tmp_path / "low.flac") * 32767)
    np.testing.assert_array_equal(low[3000:9000], whole[3000:9000])


def test_broken_and_short_files_are_left_out_in_one_warning(tmp_path, caplog):
    soundfile.write(tmp_path / "good.flac", noise(20_000), 16000)
    soundfile.write(tmp_path / "short.wav", noise(399), 16000)
    (tmp_path / "text.wav").write_text("no sound at all")
    (tmp_path / "empty.mp3").touch()
    (tmp_path / ".hidden.wav").write_text("of another system")
    whole = (tmp_path / "good.flac").read_bytes()
    (tmp_path / "zcut.flac").write_bytes(whole[: len(whole) // 2])
    good, cut = sound_files.find(tmp_path)
    assert len(good) == 20_000 and 4096 <= len(cut) < 12_000
    np.testing.assert_array_equal(cut[:4000], good[:4000])  # what is there of it, copied
    (warning,) = [text for text in caplog.messages if "left out" in text]
    assert warning.startswith(f"{tmp_path}: 3 recordings") and "short.wav: lasts 25 ms" in warning


def test_folders_without_speech(tmp_path):
    with pytest.raises(InputError, match="holds no recordings"):
        sound_files.find(tmp_path / "none")
    (tmp_path / "a.wav").write_text("no sound")
    with pytest.raises(InputError, match="none of 1 recordings can be used"):
        sound_files.find(tmp_path)
    with pytest.raises(InputError, match="--kept"):
        sound_files.find(tmp_path, tmp_path / "a.wav" / "kept")


def test_the_index_is_made_once_and_anew_when_a_file_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(sound_files, "PART", 2)
    for k in range(5):
        soundfile.write(tmp_path / f"{k}.wav", noise(1000 + k), 16000)
    first = sound_files.find(tmp_path)
    looked = []
    look = sound_files._entry
    monkeypatch.setattr(sound_files, "_entry", lambda *a: looked.append(a[2].path) or look(*a))
    again = sound_files.find(tmp_path)
    assert not looked and again.identity == first.identity and [len(s) for s in again] == [1000 + k for k in range(5)]
    next((tmp_path / ".jaxtalk").glob("index-*/part-00001.json")).unlink()  # as after an interruption
    sound_files.find(tmp_path)
    assert sorted(looked) == ["2.wav", "3.wav"]
    os.utime(tmp_path / "4.wav", (1, 1))
    assert sound_files.find(tmp_path).identity != first.identity


def test_a_damaged_place_is_silence_and_a_missing_file_ends_the_run(tmp_path, caplog):
    path = tmp_path / "a.flac"
    sound = noise(60_000)
    soundfile.write(path, sound, 16000)
    (found,) = sound_files.find(tmp_path)
    damaged = bytearray(path.read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 9000] = bytes(9000)
    path.write_bytes(damaged)
    assert not found[30_000:33_000].any() and len(found[30_000:33_000]) == 3000
    assert not found[31_000:33_000].any() and len([text for text in caplog.messages if "is damaged" in text]) == 1
    np.testing.assert_array_equal(found[:8000], sound[:8000])
    path.unlink()
    with pytest.raises(InputError, match="is the disk there"):
        found[:10]


def test_crops_of_files_are_those_of_the_same_recordings_in_memory(tmp_path):
    sounds = [noise(9000 + 500 * k, k) for k in range(6)]
    for k, sound in enumerate(sounds):
        soundfile.write(tmp_path / f"{k}.flac", sound, 16000)
    for length in (5000, 12_000):  # the second joins some
        lazy, held = (SpeechCrops(r, length).stream(3, seed=1) for r in (sound_files.find(tmp_path), sounds))
        for number in range(4):
            np.testing.assert_array_equal(lazy[number]["speech"], held[number]["speech"])


def test_processes_share_the_files_that_are_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(host_shares.jax, "process_count", lambda: 3)
    paths, made = [tmp_path / f"{k}" for k in range(7)], []

    def write(k, path):
        made.append(k)
        path.write_text(json.dumps(k))
        if k == 4:  # this process's last: those of the others are there by then
            for other in {*range(7)} - {1, 4}:
                paths[other].touch()

    monkeypatch.setattr(host_shares.jax, "process_index", lambda: 1)
    host_shares.make(paths, write, "numbers")
    assert made == [1, 4]
