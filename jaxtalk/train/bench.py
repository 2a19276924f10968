"""Times the parts of a training run: its loader, its step, both together as the loop has them, its checkpoints.

A round lasts about as long as one is told; a figure is what one batch, step or checkpoint took in it.
"""

import contextlib
import functools
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxtalk.errors import InputError
from jaxtalk.metrics import mean
from jaxtalk.train import distributed, loop, measure, mesh, parallel, peak
from jaxtalk.train.checkpoint import Checkpoints
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.measure import Taken
from jaxtalk.train.mesh import MeshShape
from jaxtalk.train.pace import Pace
from jaxtalk.train.skips import Skips

Line = dict[str, Any]


class Bench:
    """An experiment on a mesh. The methods without underscores give lines; what they need is made once."""

    def __init__(self, experiment: Experiment, shape: MeshShape, rounds: int, seconds: float, folder: Path | None):
        """`rounds` of `seconds` each; checkpoints go into a new folder below `folder`, or where temporary files go."""
        self.experiment, self.folder = experiment, folder
        self._rounds, self._seconds = rounds, seconds
        self.mesh = mesh.make(shape.otherwise(experiment.mesh))
        self.shape = MeshShape(**self.mesh.shape)

    def loader(self) -> list[Line]:
        """Batches of this process, one after another; per core, for comparing with what a step needs."""
        rows = _rows(next(self._batches)) * jax.process_count()
        taken, count = repeated(lambda n: [next(self._batches) for _ in range(n)][-1], self._rounds, self._seconds)
        figures = measure.figures(taken)
        speed = rows / figures["median_s"]
        per_core = speed / jax.process_count() / measure.machine()["cores"]
        own = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(next(self._batches)))
        numbers = {"examples_per_s": speed, "examples_per_s_and_core": per_core}
        numbers |= {"mb_per_s": own * jax.process_count() / figures["median_s"] / 1e6, "rows": rows, "batches": count}
        return [{"benchmark": "loader"} | figures | numbers]

    def step(self) -> list[Line]:
        """The compiled step on one batch that lies on the devices."""
        batch, rows = self._batch, _rows(self._batch)

        def steps(count: int) -> None:
            for _ in range(count):
                self._state, _ = self._compiled(self._state, batch)
            jax.block_until_ready(self._state)

        taken, count = repeated(steps, self._rounds, self._seconds)
        figures = measure.figures(taken)
        numbers = {"compile_s": self._compile_s, "examples_per_s": rows / figures["median_s"], "rows": rows}
        numbers |= self._use(figures["median_s"]) | self._memory() | {"steps": count}
        return [{"benchmark": "step"} | figures | numbers]

    def end_to_end(self) -> list[Line]:
        """Batches and steps as `train.loop` has them, without evaluation, checkpoints and log."""
        pace, waits = Pace(), []
        rows = _rows(self._batch)
        with tempfile.TemporaryDirectory() as folder:
            skips = Skips(Path(folder), self.experiment.skips)

            def steps(count: int) -> None:
                total: dict = {}
                for i in range(count):
                    batch = pace.next(self._batches)
                    self._state, metrics = self._compiled(self._state, parallel.put(batch, self.mesh))
                    skips.look(i, metrics, batch)
                    total = mean.merged(total, metrics)
                jax.block_until_ready((self._state, total))
                waits.append(pace.report()["data_wait"])

            taken, count = repeated(steps, self._rounds, self._seconds)
        figures = measure.figures(taken)
        numbers = {"examples_per_s": rows / figures["median_s"], "data_wait": float(np.median(waits[-self._rounds :]))}
        numbers |= self._use(figures["median_s"]) | {"rows": rows, "peak_gb": measure.peak_gb(), "steps": count}
        return [{"benchmark": "end_to_end"} | figures | numbers]

    def checkpoint(self) -> list[Line]:
        """How long a run stands still for a checkpoint, when it is safe on the disk, how long a restart reads it.

        What was just written is read from memory on most systems.
        """
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(self._state)) / 1e6
        taken: dict[str, list[Taken]] = {"blocking": [], "saved": [], "restored": []}
        with _shared_folder(self.folder) as folder, Checkpoints(folder, keep=1) as checkpoints:
            for i in range(1, self._rounds + 2):
                _, blocking = measure.timed(checkpoints.save, i, self._state)
                _, rest = measure.timed(checkpoints.wait)
                taken["blocking"].append(blocking)
                taken["saved"].append(Taken(*map(sum, zip(blocking, rest, strict=True))))
                restore = lambda: jax.block_until_ready(checkpoints.restore(self._state))  # noqa: E731
                taken["restored"].append(measure.timed(restore)[1])
        lines = []
        for part, each in taken.items():
            figures = measure.figures(each)
            numbers = {"mb": size, "mb_per_s": size / figures["median_s"], "peak_gb": measure.peak_gb()}
            lines.append({"benchmark": f"checkpoint_{part}"} | figures | numbers)
        return lines

    @functools.cached_property
    def _batches(self) -> Iterator[dict]:
        return loop.stream(self.experiment.data())

    @functools.cached_property
    def _batch(self) -> dict:
        """One batch on the devices: of noise where the config states its shapes, so that a step needs no data."""
        shapes = self.experiment.batch
        return parallel.put(next(self._batches) if shapes is None else noise(shapes), self.mesh)

    @functools.cached_property
    def _state(self):
        return parallel.init(
            self.experiment.init, jax.random.key(self.experiment.seed), self.mesh, self.experiment.rules
        )

    @functools.cached_property
    def _compiled(self):
        step = parallel.compile_step(self.experiment.step, self._state, self.mesh, self.experiment.rules)
        compiled, taken = measure.timed(lambda: step.lower(self._state, self._batch).compile())
        self._compile_s = taken.seconds
        return compiled

    def _use(self, seconds: float) -> dict[str, float | str]:
        """How much a step does, and which share that is of what the devices can do: on CPUs, of large products."""
        said, counted = self.experiment.flops, (self._compiled.cost_analysis() or {}).get("flops", 0.0) * self.mesh.size
        work = said or counted
        if not work > 0:
            return {}
        result = {"gflop": work / 1e9, "counted_by": "config" if said else "compiler"}
        most = peak.flops(self.mesh.devices.flat[0].device_kind)
        if most:
            return result | {"mfu": work / seconds / self.mesh.size / most}
        return result | ({"of_matmul": work / seconds / self._matmul} if jax.default_backend() == "cpu" else {})

    @functools.cached_property
    def _matmul(self) -> float:
        return measure.matmul_flops("float32")

    def _memory(self) -> dict[str, float]:
        """What the step needs on one device, as compiled, and the most that has been in use."""
        plan = self._compiled.memory_analysis()
        result = {"peak_gb": measure.peak_gb()}
        if plan is None:
            return result
        needed = plan.argument_size_in_bytes + plan.output_size_in_bytes + plan.temp_size_in_bytes
        return result | {"program_gb": (needed - plan.alias_size_in_bytes) / 1e9}


def repeated(call: Callable[[int], Any], rounds: int, seconds: float) -> tuple[list[Taken], int]:
    """What one of `call(n)`'s n takes: alone and cold, and then in each of the rounds of about `seconds`; and n."""
    cold = measure.timed(call, 1)[1]
    once = measure.timed(call, 1)[1]
    count = _agreed(max(1, math.ceil(seconds / max(once.seconds, 1e-6))))
    return [cold] + [Taken(*(x / count for x in measure.timed(call, count)[1])) for _ in range(rounds)], count


def noise(shapes: dict[str, jax.ShapeDtypeStruct]) -> dict[str, np.ndarray]:
    """This process's rows of a batch of these shapes: small random numbers, and zeros for whole numbers."""
    rng, count = np.random.default_rng(jax.process_index()), jax.process_count()

    def values(like: jax.ShapeDtypeStruct) -> np.ndarray:
        shape = (like.shape[0] // count, *like.shape[1:])
        floating = jax.numpy.issubdtype(like.dtype, np.floating)
        return (0.1 * rng.standard_normal(shape, np.float32) if floating else np.zeros(shape)).astype(like.dtype)

    return {name: values(like) for name, like in shapes.items()}


@contextlib.contextmanager
def _shared_folder(folder: Path | None) -> Iterator[Path]:
    """A folder for checkpoints that all processes see, and that is gone afterwards."""
    if folder is not None:
        path = folder / "bench-checkpoints"
        if distributed.first():
            shutil.rmtree(path, ignore_errors=True)  # of a benchmark that was interrupted
        distributed.wait("bench begins")
        yield path
        distributed.wait("bench ends")
        if distributed.first():
            shutil.rmtree(path)
    elif jax.process_count() > 1:
        raise InputError("checkpoint: several processes need --folder, on a file system that they share")
    else:
        with tempfile.TemporaryDirectory() as path:
            yield Path(path)


def _rows(batch: dict) -> int:
    return len(jax.tree.leaves(batch)[0])


def _agreed(count: int) -> int:
    """The first process's number: all must make as many steps."""
    return count if jax.process_count() == 1 else int(multihost_utils.broadcast_one_to_all(np.int32(count)))
