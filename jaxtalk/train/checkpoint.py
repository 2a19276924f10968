"""Checkpoints that are never wrong: state and data position together, checked file by file before they are used.

A run's folder, which all its processes see, holds

    500/            the checkpoint after step 500: state/ (orbax), place.json (where the data stood, metrics, shapes)
                    and manifest.json (size and SHA-256 of every file)
    500.damaged/    one that no longer agreed with its manifest; moved aside, never deleted
    500.saving/     being written; one that is left over is removed at the next start

A checkpoint is written in the background, then hashed, then renamed to its number: a folder named by a number was whole
at that moment, and what has become of it since, its manifest tells.
"""

import concurrent.futures
import contextlib
import copy
import dataclasses
import json
import logging
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import PyTree
from orbax.checkpoint import v1 as ocp

from jaxtalk.errors import InputError
from jaxtalk.train import manifest

PLACE = "place.json"
SAVING, DAMAGED, DELETING = ".saving", ".damaged", ".deleting"
NO_STEP, NONE_GOOD = -1, -2  # what the first process tells the others where there is no step to tell

log = logging.getLogger(__name__)


class CheckpointError(InputError):
    """A checkpoint could not be written, or none can be trusted: one line that says what to do."""


@dataclasses.dataclass(frozen=True)
class Best:
    """The metric by which the best checkpoint is kept."""

    metric: str
    highest: bool = False


class Checkpoints:
    """The checkpoints of one run. All processes make the same calls; the first one looks after the folder.

    The `keep` newest stay, those whose step is a multiple of `keep_every`, and the best.

    Raises:
        CheckpointError: there are checkpoints in `folder`, but none is good.
    """

    latest: int | None
    """Step of the newest good checkpoint; None where there is none."""

    def __init__(self, folder: Path, keep: int = 2, keep_every: int | None = None, best: Best | None = None):
        if keep < 1 or (keep_every is not None and keep_every < 1):
            raise InputError(f"checkpoints: keep {keep} and keep_every {keep_every} must be 1 or more")
        self.folder = Path(folder).absolute()
        self._policy = keep, keep_every, best
        self._pending: tuple[int, concurrent.futures.Future] | None = None
        self._writer = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self.latest = _agreed(self._newest_good, self.folder)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            self.wait()
        except CheckpointError as error:
            if kind is None or issubclass(kind, SystemExit):  # a run that was told to stop says that it is saved
                raise
            log.warning("%s", error)  # another error ends the run already
        finally:
            self._writer.shutdown()

    def save(self, step: int, state: PyTree, data: Any = None, metrics: dict[str, float] | None = None) -> None:
        """Writes the state and the data iterator's place in the background; nothing happens if `step` is the newest.

        The first process's iterator speaks for all: batches come in the same order whatever the processes.

        Raises:
            CheckpointError: this or the previous checkpoint could not be written; older ones are untouched.
        """
        self.wait()
        if step == self.latest:
            return
        place = {
            "step": step,
            "data": None if data is None else copy.deepcopy(data.get_state()),
            "metrics": {name: float(value) for name, value in (metrics or {}).items()},
            "arrays": _arrays(state),
        }
        with _told(self._path(step)), _folders_at_once():
            writing = ocp.save_checkpointables_async(self._path(step, SAVING), {"state": state})
        self._pending = step, self._writer.submit(self._finish, step, writing.result, place)

    def wait(self) -> None:
        """Returns when what was saved is on the disk.

        Raises:
            CheckpointError: it is not.
        """
        if self._pending is not None:
            (step, pending), self._pending = self._pending, None
            pending.result()
            self.latest = step

    def restore(self, like: PyTree, data: Any = None, step: int | None = None) -> PyTree:
        """The newest good state, or that of `step`, with the shapes, types and shardings of `like`.

        `like` is a state, or shapes with shardings, on any mesh. `data` is moved to its place in the stream.

        Raises:
            CheckpointError: there is none, it is damaged, or the config now builds another state.
        """
        self.wait()
        step = self.latest if step is None else step
        if step is None:
            raise CheckpointError(f"{self.folder}: there is no checkpoint")
        if _from_first(lambda: step != self.latest and self._fault(step) is not None):  # the latest was looked at
            raise CheckpointError(f"{self._path(step)}: missing or damaged; take another step")
        place = self._place(step)
        if difference := _difference(place["arrays"], _arrays(like)):
            raise CheckpointError(f"{self._path(step)}: {difference}; use the run's own config or another folder")
        if data is not None:
            data.set_state(place["data"])
        return ocp.load_checkpointables(self._path(step), {"state": jax.tree.map(_abstract, like)})["state"]

    @property
    def best(self) -> int | None:
        """Step of the best checkpoint, None where none has the metric."""
        self.wait()
        step = _from_first(lambda: NO_STEP if (best := self._best(self._steps())) is None else best)
        return None if step == NO_STEP else step

    def _finish(self, step: int, arrays_written: Callable[[], Any], place: dict) -> None:
        """In the background: waits for the arrays of all processes; then the first makes a checkpoint of them."""
        with _told(self._path(step)):
            arrays_written()
            if jax.process_index() == 0:
                unfinished = self._path(step, SAVING)
                manifest.write_json(unfinished / PLACE, place)
                manifest.write(unfinished)
                os.rename(unfinished, self._path(step))
                manifest.sync_folder(self.folder)
                self._delete_old()

    def _delete_old(self) -> None:
        steps = self._steps()
        newest, every, _ = self._policy
        wanted = {*steps[-newest:], *(step for step in steps if every and step % every == 0), self._best(steps)}
        for step in set(steps) - wanted:
            os.rename(self._path(step), self._path(step, DELETING))  # half a checkpoint has no number for a name
            shutil.rmtree(self._path(step, DELETING))

    def _best(self, steps: list[int]) -> int | None:
        """The step whose metric is best, the newest of equals; numbers that are not finite are never best."""
        best = self._policy[2]
        if best is None:
            return None
        values = {step: self._metrics(step).get(best.metric, math.nan) for step in steps}
        finite = [step for step in steps if math.isfinite(values[step])]
        sign = 1 if best.highest else -1
        return max(finite, key=lambda step: (sign * values[step], step), default=None)

    def _newest_good(self) -> int | None:
        """The newest step that agrees with its manifest; newer ones, which do not, are told of and moved aside."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self.folder.iterdir():
            if SAVING in path.name or path.name.endswith(DELETING):
                shutil.rmtree(path)
        faults: dict[int, str] = {}
        for step in reversed(self._steps()):
            if fault := self._fault(step):
                faults[step] = fault
                continue
            for damaged, what in faults.items():
                aside = self._move_aside(damaged)
                log.warning("%s: %s; moved to %s, going on from %d", self._path(damaged), what, aside.name, step)
            return step
        if faults:
            told = "; ".join(f"{step}: {fault}" for step, fault in faults.items())
            raise CheckpointError(
                f"{self.folder}: no good checkpoint ({told}); bring back a copy, or remove the folder to start anew"
            )
        return None

    def _fault(self, step: int) -> str | None:
        return manifest.fault(self._path(step)) if self._path(step).is_dir() else "missing"

    def _move_aside(self, step: int) -> Path:
        names = (self._path(step, DAMAGED + (f"-{i}" if i else "")) for i in range(10**6))
        return self._path(step).rename(next(path for path in names if not path.exists()))

    def _steps(self) -> list[int]:
        return sorted(int(path.name) for path in self.folder.iterdir() if path.name.isdecimal() and path.is_dir())

    def _path(self, step: int, end: str = "") -> Path:
        return self.folder / f"{step}{end}"

    def _place(self, step: int) -> dict:
        return json.loads((self._path(step) / PLACE).read_text())

    def _metrics(self, step: int) -> dict[str, float]:
        try:
            return self._place(step)["metrics"]
        except (OSError, ValueError, KeyError):  # damage to an older checkpoint is told when that one is needed
            return {}


@contextlib.contextmanager
def _told(path: Path):
    """Whatever fails while a checkpoint is written becomes a CheckpointError of one line."""
    try:
        yield
    except Exception as error:
        what = (str(error).strip().splitlines() or [type(error).__name__])[0][:400]
        raise CheckpointError(f"{path}: not saved: {what}; older checkpoints are untouched") from error


def _folders_at_once() -> ocp.Context:
    """Orbax makes its folders before it returns. Made in the background, a failure keeps its threads for minutes."""
    context = ocp.Context()
    context.asynchronous.create_directories_asynchronously = False
    return context


def _agreed(newest_good: Callable[[], int | None], folder: Path) -> int | None:
    """The first process's newest good step, on every process; what fails there, fails everywhere."""
    errors: list[CheckpointError] = []

    def step_or_sign() -> int:
        try:
            step = newest_good()
        except (CheckpointError, OSError) as error:
            errors.append(error if isinstance(error, CheckpointError) else CheckpointError(f"{folder}: {error}"))
            return NONE_GOOD
        return NO_STEP if step is None else step

    step = _from_first(step_or_sign)
    if step == NONE_GOOD:
        raise errors[0] if errors else CheckpointError(f"{folder}: no good checkpoint; process 0 says why")
    return None if step == NO_STEP else step


def _from_first(number: Callable[[], int]) -> int:
    """What `number()` is on the first process, on every process."""
    if jax.process_count() == 1:
        return int(number())
    own = number() if jax.process_index() == 0 else 0
    return int(multihost_utils.broadcast_one_to_all(np.int32(own)))


def _abstract(x) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding)


def _arrays(state: PyTree) -> dict[str, str]:
    """Name -> type and shape of every array of a state."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return {jax.tree_util.keystr(path): f"{x.dtype}{list(x.shape)}" for path, x in leaves}


def _difference(there: dict[str, str], here: dict[str, str]) -> str | None:
    """The first array in which a checkpoint and the state of a config differ, in words."""
    for name in sorted(there.keys() | here.keys()):
        if there.get(name) != here.get(name):
            return f"{name} is {there.get(name, 'missing')}, this config's is {here.get(name, 'missing')}"
    return None
