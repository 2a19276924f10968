"""What the benchmarks share beside `jaxtalk.train.measure`: processes that take turns, and lines of JSON.

A side of a comparison is often a process of its own, so that peak memory is its own: a script calls itself with other
arguments as a `Worker`, and there it answers with `serve`.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from jaxtalk.train import measure


class Worker:
    """This script again, with other arguments, as a process that calls `serve`."""

    def __init__(self, *arguments: object):
        command = [sys.executable, sys.argv[0], *map(str, arguments)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.first = self._answer()  # as `serve` was given it

    def time(self) -> measure.Taken:
        return measure.Taken(*self._answer("go\n"))

    def finish(self) -> dict:
        """What `serve` has to say at last."""
        last = self._answer("\n")
        self._process.wait()
        return last

    def _answer(self, ask: str = ""):
        self._process.stdin.write(ask)
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a side of the benchmark failed; see above")
        return json.loads(line)


def serve(call: Callable[[], Any], first: object = None, last: Callable[[Any], dict] = lambda _: {}) -> None:
    """A worker's half: `first` at once, then what a call takes whenever it is asked for.

    At last come `last(result of the last call)` and the peak of memory.
    """
    show(first)
    result = None
    for line in sys.stdin:
        if not line.strip():
            break
        result, taken = measure.timed(call)
        show(taken)
    peak = measure.peak_gb()
    show({"peak_gb": peak, **last(result)})


def show(value: object) -> None:
    print(json.dumps(value), flush=True)


def about(benchmark: str, **options: object) -> dict:
    """How every line begins."""
    return {"benchmark": benchmark, **options, **measure.machine()}
