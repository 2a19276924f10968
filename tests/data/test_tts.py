import sys

import numpy as np
import pytest

from jaxtalk.data import sentences, tts
from jaxtalk.errors import InputError


@pytest.mark.parametrize("language", sentences.GRAMMARS)
@pytest.mark.parametrize("rate", [90, 175, 330, 440])
def test_phones_cover_the_sound_without_gaps(language, rate):
    grammar = sentences.GRAMMARS[language]
    rng = np.random.default_rng(rate)
    text = " ".join(sentences.generate(rng, language) for _ in range(2))
    speech = tts.synthesise(text, language=grammar.voices[-1], rate=rate)
    starts, ends = (np.array([getattr(phone, name) for phone in speech.phones]) for name in ("start", "end"))
    assert starts[0] == 0 and ends[-1] == pytest.approx(speech.seconds, abs=1e-9)
    np.testing.assert_array_equal(starts[1:], ends[:-1])
    assert (ends > starts).all()
    assert len(speech.phones) > 20


def test_pauses_are_silent_and_vowels_are_heard():
    """The times belong to the sound: energy is where vowels are, not where pauses are."""
    speech = tts.synthesise("Papa bought a boat, for you. My mother may come back later, I think, and cook.")

    def power(phone):
        middle = (phone.start + phone.end) / 2
        half = (phone.end - phone.start) / 4
        return np.mean(speech.samples[int((middle - half) * speech.rate) : int((middle + half) * speech.rate) + 1] ** 2)

    pauses = [power(phone) for phone in speech.phones if phone.symbol == tts.PAUSE]
    vowels = [power(phone) for phone in speech.phones if phone.symbol[0] in "aɑɔoæɛiu"]
    assert len(pauses) >= 2
    assert len(vowels) >= 8
    assert max(pauses) < 1e-3 * min(vowels)


def test_stops_begin_with_their_closure():
    """A voiceless stop between vowels is silent in its first half; espeak-ng itself reports only its burst."""
    speech = tts.synthesise("papa, papa, papa", language="it")
    stops = [phone for phone in speech.phones if phone.symbol == "p"]
    assert len(stops) == 6
    for phone in stops[1::2]:
        head = speech.samples[int(phone.start * speech.rate) : int((phone.start + phone.end) / 2 * speech.rate)]
        assert np.abs(head[: len(head) * 4 // 5]).max() < 0.02 * np.abs(speech.samples).max()
        assert phone.end - phone.start > 0.05


def fundamental(speech):
    """Hz, from the autocorrelation of the loudest fifth of a second."""
    power = np.convolve(speech.samples**2, np.ones(speech.rate // 5), "valid")
    piece = speech.samples[np.argmax(power) :][: speech.rate // 5]
    lags = np.correlate(piece, piece, "full")[len(piece) - 1 :]
    low = speech.rate // 500
    lags = lags[low : speech.rate // 60]
    return speech.rate / (low + np.flatnonzero(lags > 0.85 * lags.max())[0])


def test_settings_change_what_they_name():
    plain, fast, high, loud = (
        tts.synthesise("a large calm father", **kwargs)
        for kwargs in ({}, {"rate": 300}, {"pitch": 99}, {"volume": 200})
    )
    assert fast.seconds < 0.8 * plain.seconds
    assert fundamental(high) > 1.3 * fundamental(plain)
    assert np.std(loud.samples) > 1.2 * np.std(plain.samples)
    woman = tts.synthesise("a large calm father", variant="f2")
    assert fundamental(woman) > 1.3 * fundamental(plain)


@pytest.mark.parametrize("variant", [None, "f2", "klatt2", "whisper", "croak"])
def test_same_arguments_give_the_same_samples(variant):
    """Whatever was said in between, although espeak-ng keeps state in globals."""

    first = tts.synthesise("papa said she was thin, for the fish", variant=variant)
    tts.synthesise("etwas ganz anderes", language="de", variant="f3", rate=300, pitch=99)
    second = tts.synthesise("papa said she was thin, for the fish", variant=variant)
    np.testing.assert_array_equal(first.samples, second.samples)
    assert first.phones == second.phones


def test_bad_requests_are_refused_in_one_line():
    for text, settings in [
        ("hello", {"language": "klingonese"}),
        ("hello", {"variant": "nobody"}),
        ("hello", {"rate": 900}),
        ("", {}),
        (" ... ", {}),
    ]:
        with pytest.raises(InputError) as error:
            tts.synthesise(text, **settings)
        assert "\n" not in str(error.value)


def test_without_the_wheel_it_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(InputError, match=r'pip install "jaxtalk\[tts\]"'):
        tts.synthesise("hello")


def test_long_data_path_is_shortened(tmp_path):
    """espeak-ng has a buffer of 160 bytes for it; a deep virtual environment exceeds that."""
    import subprocess

    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    (deep / "espeak-ng-data").symlink_to(tts._data_folder())
    code = (
        "import espeakng_loader, sys; espeakng_loader.get_data_path = lambda: sys.argv[1]\n"
        "from jaxtalk.data import tts; print(len(tts.synthesise('papa').phones))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(deep / "espeak-ng-data")], capture_output=True, text=True, check=True
    )
    assert int(result.stdout) >= 4
