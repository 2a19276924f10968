"""How fast and in how much memory `jaxtalk talk` works, start-up told apart. Prints JSON lines.

    python benchmarks/talk.py                        10 s of speech at 512 x 512
    python benchmarks/talk.py --seconds 60 600 --size 128    does memory grow with the length?

Each run is a process of its own: its peak memory is what the system counted. A run of one second gives the start-up
(imports, compilation, finding and fitting the face), which is taken off the others.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path

import numpy as np
import soundfile

SAMPLES = Path(str(resources.files("jaxtalk") / "samples"))


def measure(portrait: Path, seconds: float, size: int, folder: Path) -> tuple[float, int]:
    """Wall time in seconds and peak memory in bytes of one run."""
    samples, rate = soundfile.read(SAMPLES / "speech.flac")
    speech, output = folder / "speech.wav", folder / "talk.mp4"
    soundfile.write(speech, np.resize(samples, int(seconds * rate)), rate)
    command = [sys.executable, "-m", "jaxtalk", "talk", portrait, speech, "-o", output, "--size", size]
    start = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"talk failed with status {status}")
    return time.perf_counter() - start, usage.ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portrait", type=Path, default=SAMPLES / "portrait.jpg")
    parser.add_argument("--seconds", type=float, nargs="+", default=[10.0])
    parser.add_argument("--size", type=int, default=512)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start_up, memory = measure(options.portrait, 1.0, options.size, Path(folder))
        line = {"benchmark": "talk", "size": options.size, "cores": len(os.sched_getaffinity(0))}
        print(json.dumps(line | {"speech_s": 1.0, "wall_s": start_up, "peak_gb": memory / 1e9}), flush=True)
        for seconds in options.seconds:
            wall, memory = measure(options.portrait, seconds, options.size, Path(folder))
            frames = 25 * (seconds - 1)
            result = {"speech_s": seconds, "wall_s": wall, "peak_gb": memory / 1e9}
            result |= {"after_start_up_s": wall - start_up, "frames_per_s": frames / max(wall - start_up, 1e-9)}
            print(json.dumps(line | result), flush=True)


if __name__ == "__main__":
    main()
