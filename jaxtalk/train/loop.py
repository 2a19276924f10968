"""The training loop, in the order evaluate, save, next batch, step, log. `jaxtalk train` runs it."""

import json
import time
from pathlib import Path

import jax
import tqdm

from jaxtalk.metrics import mean
from jaxtalk.train import parallel
from jaxtalk.train.checkpoint import Checkpoints
from jaxtalk.train.experiment import Experiment


def run(experiment: Experiment, folder: Path, devices: list | None = None):
    """Trains to `experiment.steps`, continuing from the newest checkpoint in `folder`; returns the state.

    Writes `folder/log.jsonl` (one line per log or evaluation), checkpoints, and what `experiment.export` writes.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    mesh = parallel.data_mesh(devices)
    step = parallel.compile_step(experiment.step, mesh)
    state = parallel.init(experiment.init, jax.random.key(experiment.seed), mesh)
    batches = iter(_iterable(experiment.data()))
    with Checkpoints(folder / "checkpoints") as checkpoints, open(folder / "log.jsonl", "a") as log:
        first = checkpoints.latest or 0
        if first:
            state = checkpoints.restore(state, batches)
        total, clock = {}, time.perf_counter()
        for i in tqdm.trange(first, experiment.steps + 1, initial=first, desc=experiment.name, disable=None):
            last = i == experiment.steps
            if experiment.evaluate and (last or (i > first and i % experiment.evaluate_every == 0)):
                _write(log, i, "eval", experiment.evaluate(state))
            if last or (i > first and i % experiment.save_every == 0):
                checkpoints.save(i, state, batches)
            if last:
                break
            state, metrics = step(state, parallel.put(next(batches), mesh))
            total = mean.merged(total, metrics)
            if (i + 1) % experiment.log_every == 0:
                numbers = mean.values(total)
                seconds, total = time.perf_counter() - clock, {}
                clock += seconds
                _write(log, i + 1, "train", numbers | {"seconds_per_step": seconds / experiment.log_every})
    if hasattr(batches, "close"):
        batches.close()
    if experiment.export:
        experiment.export(state, folder)
    return state


def _iterable(dataset):
    """A grain MapDataset becomes a stream; worker processes and threads are the config's choice."""
    return dataset.to_iter_dataset() if hasattr(dataset, "to_iter_dataset") else dataset


def _write(log, step: int, kind: str, numbers: dict[str, float]) -> None:
    log.write(json.dumps({"step": step, "kind": kind} | numbers) + "\n")
    log.flush()
    tqdm.tqdm.write(f"{kind} {step}: " + "  ".join(f"{k} {v:.4g}" for k, v in numbers.items()))
