"""What the benchmarks share: what a call takes, processes that take turns, and lines of JSON.

A side of a comparison is often a process of its own, so that peak memory is its own: a script calls itself with other
arguments as a `Worker`, and there it answers with `serve`.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple


class Taken(NamedTuple):
    """Seconds of a call: by the clock, and what all threads of the process worked."""

    seconds: float
    cpu: float


def timed(call: Callable[..., Any], *given) -> tuple[Any, Taken]:
    """What a call returns, and what it took. It must wait until its work is done."""
    start, worked = time.perf_counter(), time.process_time()
    result = call(*given)
    return result, Taken(time.perf_counter() - start, time.process_time() - worked)


def turns(sides: dict[str, Callable[[], Taken]], rounds: int) -> dict[str, list[Taken]]:
    """Each side's `rounds` times after one to warm up, which comes first; the sides take turns, one call each."""
    taken: dict[str, list[Taken]] = {side: [] for side in sides}
    for _ in range(rounds + 1):
        for side, call in sides.items():
            taken[side].append(call())
    return taken


def figures(taken: list[Taken]) -> dict[str, float]:
    """Medians, the best, and (longest - shortest) / median; the first call, which warms up, is left out."""
    seconds, cpu = zip(*taken[1:], strict=True)
    median = statistics.median(seconds)
    spread = (max(seconds) - min(seconds)) / median
    result = {"median_s": median, "best_s": min(seconds), "spread": spread}
    return result | {"cpu_s": statistics.median(cpu), "least_cpu_s": min(cpu)}


class Worker:
    """This script again, with other arguments, as a process that calls `serve`."""

    def __init__(self, *arguments: object):
        command = [sys.executable, sys.argv[0], *map(str, arguments)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.first = self._answer()  # as `serve` was given it

    def time(self) -> Taken:
        return Taken(*self._answer("go\n"))

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
        result, taken = timed(call)
        show(taken)
    peak = peak_gb()
    show({"peak_gb": peak, **last(result)})


def show(value: object) -> None:
    print(json.dumps(value), flush=True)


def about(benchmark: str, **options: object) -> dict:
    """How every line begins."""
    machine = {"cores": len(os.sched_getaffinity(0)), "xla_flags": os.environ.get("XLA_FLAGS", "")}
    return {"benchmark": benchmark, **options, **machine}


def peak_gb() -> float:
    """Peak memory: of the accelerator where this process holds one, else of the whole process, imports and all."""
    stats = {}
    if "torch" in sys.modules:
        cuda = sys.modules["torch"].cuda
        if cuda.is_available():
            stats["peak_bytes_in_use"] = cuda.max_memory_allocated()
    elif "jax" in sys.modules:
        stats = sys.modules["jax"].devices()[0].memory_stats() or {}
    return stats.get("peak_bytes_in_use", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024) / 1e9


def matmul_flops(dtype: str, figure: str = "median_s") -> float:
    """FLOP a second at which jax multiplies large matrices here: what this machine can do, in practice."""
    import jax
    import jax.numpy as jnp

    size = 2048 if jax.default_backend() == "cpu" else 8192
    x = jnp.ones((size, size), dtype)
    multiply = jax.jit(lambda x: x @ x)
    taken = turns({"matmul": lambda: timed(lambda: multiply(x).block_until_ready())[1]}, 7)
    return 2 * size**3 / figures(taken["matmul"])[figure]
