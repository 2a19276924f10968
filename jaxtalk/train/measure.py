"""How time and memory are measured, and where: for `jaxtalk bench` and for benchmarks/.

Imports nothing heavy: benchmarks ask in processes that hold another framework.
"""

import importlib.metadata
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

PACKAGES = ("jaxtalk", "jax", "jaxlib", "libtpu", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


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


def peak_gb() -> float:
    """Peak memory: of the accelerator where this process holds one, else of the whole process, imports and all."""
    stats = {}
    if "torch" in sys.modules:
        cuda = sys.modules["torch"].cuda
        if cuda.is_available():
            stats["peak_bytes_in_use"] = cuda.max_memory_allocated()
    elif "jax" in sys.modules:
        stats = sys.modules["jax"].local_devices()[0].memory_stats() or {}
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


def machine() -> dict[str, int | str]:
    """What any framework works on."""
    return {"cores": len(os.sched_getaffinity(0)), "xla_flags": os.environ.get("XLA_FLAGS", "")}


def environment() -> dict[str, Any]:
    """Where jax works: devices, versions, the code's commit where there is one, how busy the machine was before."""
    import jax

    devices = {"device": jax.devices()[0].device_kind, "devices": jax.device_count(), "processes": jax.process_count()}
    found = {name: version for name in PACKAGES if (version := _version(name))}
    code = {"commit": commit(), "python": platform.python_version(), **found}
    return devices | machine() | {"load": round(os.getloadavg()[0], 2)} | code


def commit() -> str | None:
    """The commit of this code, `-dirty` where files differ from it; None for an installed copy."""
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return None
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
