"""Live speech to MPEG-4 parameters: sound comes in, each frame of the lips goes out as soon as it is known.

raw 16-bit sound, a frame's worth at a time --Live.push--> frames --> the two lines of each, as in a .fap file

A frame comes `fap_listener.latency(fps)` seconds after its moment, and the time to collect a piece (1 / fps) and to
compute it come on top.
"""

import io
import sys
import time

import numpy as np

from jaxtalk.audio import stft
from jaxtalk.errors import InputError
from jaxtalk.face import fap, fap_mouth, fap_stream
from jaxtalk.face.fap_stream import FapStream
from jaxtalk.io import fap_file, weights
from jaxtalk.systems import fap_listener, listen

NAME = "live"


def speak(source: io.IOBase, sink: io.TextIOBase, fps: float) -> FapStream:
    """Reads until the sound ends, and returns all that was said; writes frames to `sink` on the way.

    Raises:
        InputError: there was no sound.
    """
    by = fap_listener.load(weights.shipped("fap"))
    fap_listener.Live(by, fps).push(np.zeros(stft.RATE, np.float32))  # compiles before anybody speaks
    print(f"jaxtalk: listening, {fap_listener.latency(fps):.2f} s behind the sound", file=sys.stderr)
    live, parts, samples, busy = fap_listener.Live(by, fps), [], 0, []
    selected = np.zeros(fap.COUNT, bool)
    selected[fap_mouth.SPOKEN] = True

    def give(frames: np.ndarray) -> None:
        first = sum(map(len, parts))
        said = fap_stream.stream(frames, fps, NAME, selected)
        for k in range(len(said)):
            print(fap_file.lines_of(said, k, first + k), file=sink, flush=True)
        parts.append(frames)

    while piece := source.read(2 * round(stft.RATE / fps)):
        sound = np.frombuffer(piece[: len(piece) // 2 * 2], "<i2").astype(np.float32) / 32768
        samples, start = samples + len(sound), time.perf_counter()
        give(live.push(sound))
        busy.append(time.perf_counter() - start)
    if not samples:
        raise InputError("standard input: ended before any sound came; pipe raw 16-bit mono sound at 16 kHz into it")
    missing = listen.frame_count(samples, fps) - sum(map(len, parts))
    rest = live.push(np.zeros(round(stft.RATE * (fap_listener.latency(fps) + 1 / fps)), np.float32))
    give(rest[:missing])
    print(f"jaxtalk: {1e3 * np.median(busy):.0f} ms of work for each {1e3 / fps:.0f} ms of sound", file=sys.stderr)
    return fap_stream.stream(np.concatenate(parts), fps, NAME, selected)
