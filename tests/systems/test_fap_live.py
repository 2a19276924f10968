"""Live speech: what a microphone gives, piece by piece, and the frames that come out of it."""

import io

import numpy as np
import pytest

from jaxtalk.audio import load
from jaxtalk.errors import InputError
from jaxtalk.face import fap_mouth
from jaxtalk.io import fap_file
from jaxtalk.systems import fap_listener, fap_live


class Microphone(io.RawIOBase):
    """Sound that never comes in larger pieces than asked for; says how much was taken."""

    def __init__(self, wave):
        self._bytes, self.taken = (wave * 32767).astype("<i2").tobytes(), 0

    def read(self, size=-1):
        piece = self._bytes[self.taken : self.taken + size]
        self.taken += len(piece)
        return piece


class Listener(io.StringIO):
    """Notes how much of the sound was heard when each line came."""

    def __init__(self, microphone):
        super().__init__()
        self._microphone, self.heard = microphone, []

    def write(self, text):
        self.heard += [self._microphone.taken / 2 / 16000] * text.count("\n")
        return super().write(text)


@pytest.fixture(scope="module")
def wave():
    t = np.arange(int(1.5 * 16000)) / 16000
    tone = sum(np.sin(2 * np.pi * k * 130 * t) / k for k in range(1, 20))
    return (0.2 * tone * np.clip(np.sin(2 * np.pi * 1.5 * t), 0, 1)).astype(np.float32)


@pytest.mark.parametrize("fps", [25.0, 15.0])
def test_each_frame_is_given_once_and_in_time(wave, fps, tmp_path):
    source = Microphone(wave)
    sink = Listener(source)
    stream = fap_live.speak(source, sink, fps)
    assert (len(stream), stream.fps) == (int(np.ceil(1.5 * fps)), fps)
    assert set(np.flatnonzero(stream.selected.all(0))) == set(fap_mouth.SPOKEN)
    fap_file.write(tmp_path / "live.fap", stream)
    body = (tmp_path / "live.fap").read_text().split("\n", 1)[1]
    assert sink.getvalue() == body  # what is printed is the file without its first line
    known = np.array(sink.heard[1::2]) - np.arange(len(stream)) / fps
    before_end = np.array(sink.heard[1::2]) < 1.5
    assert before_end.sum() > 10
    latency = fap_listener.latency(fps)
    assert (known[before_end] >= latency - 1e-6).all() and (known[before_end] <= latency + 1 / fps + 1e-3).all()


@pytest.mark.slow
def test_real_speech_opens_the_lips_as_when_heard_whole(media):
    wave = load.load(media / "facegood" / "3_15.flac")[: 7 * 16000]
    live = fap_live.speak(Microphone(wave), io.StringIO(), 30.0)
    by = fap_listener.load(fap_live.weights.shipped("fap"))
    whole = fap_listener.animate(by, wave, 30.0)
    settled = slice(4 * 30, None)  # the speaker is known by then
    opening = [fap_mouth.lip_opening(faps)[settled] for faps in (live.values, whole)]
    assert np.corrcoef(*opening)[0, 1] > 0.9


def test_no_sound_is_said_so():
    with pytest.raises(InputError, match="ended before any sound came"):
        fap_live.speak(Microphone(np.zeros(0)), io.StringIO(), 25.0)
