"""Streaming speech encoders: how far from encoding a recording at once, how fast, in how much memory. JSON lines.

    python benchmarks/speech_stream.py FOLDER                    every recording in it, base and large, by windows
    python benchmarks/speech_stream.py FOLDER --weights ear.safetensors     the same through weights that were trained
    python benchmarks/speech_stream.py FOLDER --minutes 30       its recordings over and over: peak memory

`error` is the root mean square of the difference to the whole recording at once over that of its features, `largest`
the largest difference of all. Without --weights networks have the published sizes and random weights, which listen to
all of a recording alike: the worst there is for a narrow window. `whole` is a window that holds the recording, where
nothing but rounding may differ; `running` is live, without statistics of the whole recording.
"""

import argparse
import json
import os
import resource
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.audio import load
from jaxtalk.data.sound_files import SUFFIXES
from jaxtalk.io import weights
from jaxtalk.models import speech_stream
from jaxtalk.models.speech_encoder import BASE, LARGE, RATE, Config, SpeechEncoder, normalise
from jaxtalk.models.speech_stream import LIVE, RECORDING, Stream, Window

SIZES = {"base": BASE, "large": LARGE}
_BLOCK = 16_000  # samples that a sound source gives at once


def network(options, size: str):
    """Name, config and variables."""
    if options.weights:
        stored = weights.load(options.weights)
        return stored.name, Config.of(stored.config), stored.variables
    config = SIZES[size]
    return size, config, SpeechEncoder(config).init(jax.random.key(0), jnp.zeros((1, config.reach)))


def whole(config: Config, samples: int) -> Window:
    """Holds all of a recording from anywhere."""
    frames = config.frames(samples)
    return Window(left=frames, chunk=min(frames, 100), right=frames)


def encode(config, variables, wave, window, running):
    """The features of a recording that comes in blocks, and how long that took once all is compiled."""
    for _ in range(2):
        start = time.perf_counter()
        blocks = np.split(wave, range(_BLOCK, len(wave), _BLOCK))
        known = None if running else speech_stream.measure(config, variables, blocks)
        stream = Stream(config, variables, window, known)
        features = np.concatenate([*map(stream.push, blocks), stream.finish()])
    return features, time.perf_counter() - start


def compare(options, size: str) -> None:
    """Each recording at once, and through each window."""
    name, config, variables = network(options, size)

    @jax.jit
    def offline(variables, wave):
        return SpeechEncoder(config).apply(variables, normalise(wave) if config.normalise else wave)[0][0]

    for path in recordings(options.folder):
        wave = load.load(path)[: int(options.seconds * RATE)]
        truth = np.asarray(offline(variables, jnp.asarray(wave[None])))
        windows = {
            "whole": (whole(config, len(wave)), False),
            "recording": (RECORDING, False),
            "live": (LIVE, False),
            "running": (LIVE, True),
        }
        for kind in options.windows:
            window, running = windows[kind]
            features, seconds = encode(config, variables, wave, window, running)
            assert features.shape == truth.shape
            result = {
                "network": name, "trained": bool(options.weights), "recording": path.stem,
                "seconds": len(wave) / RATE, "window": kind,
                "frames": [window.left, window.chunk, window.right],
                "error": float(np.sqrt(np.mean((features - truth) ** 2) / np.mean(truth**2))),
                "largest": float(np.abs(features - truth).max()), "finite": bool(np.isfinite(features).all()),
                "times_real_time": len(wave) / RATE / seconds,
            }  # fmt: skip
            print(json.dumps(result), flush=True)


def endure(options, size: str) -> None:
    """Hours, if asked for: blocks are made as they are taken, features are counted and dropped."""
    name, config, variables = network(options, size)
    heard = np.concatenate([load.load(path) for path in recordings(options.folder)])
    blocks = int(options.minutes * 60 * RATE / _BLOCK)

    def sound():
        for i in range(blocks):
            yield np.take(heard, np.arange(i * _BLOCK, (i + 1) * _BLOCK), mode="wrap")

    start, frames = time.perf_counter(), 0
    for features in speech_stream.encode(config, variables, sound, RECORDING):
        assert np.isfinite(features).all()
        frames += len(features)
    seconds = time.perf_counter() - start
    assert frames == config.frames(blocks * _BLOCK)
    result = {
        "network": name, "trained": bool(options.weights), "minutes": options.minutes, "frames": frames,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, "wall_s": seconds,
        "times_real_time": options.minutes * 60 / seconds, "cores": len(os.sched_getaffinity(0)),
    }  # fmt: skip
    print(json.dumps(result), flush=True)


def recordings(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise SystemExit(f"{folder}: holds no recordings; give a folder with speech")
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", choices=SIZES, nargs="+", default=list(SIZES))
    parser.add_argument("--weights", type=Path, help="what jaxtalk convert or train wrote, instead of random weights")
    kinds = ["whole", "recording", "live", "running"]
    parser.add_argument("--windows", choices=kinds, nargs="+", default=["whole", "recording"])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each recording")
    parser.add_argument("--minutes", type=float, help="measure memory over so many minutes")
    options = parser.parse_args()
    for size in options.sizes[:1] if options.weights or options.minutes else options.sizes:
        (endure if options.minutes else compare)(options, size)


if __name__ == "__main__":
    main()
