"""The training loop, in the order evaluate, save, next batch, step, log. `jaxtalk train` runs it."""

import contextlib
from pathlib import Path

import grain
import jax
import tqdm

from jaxtalk.metrics import mean
from jaxtalk.train import distributed, mesh, parallel, show
from jaxtalk.train.checkpoint import Checkpoints
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.log import Log
from jaxtalk.train.pace import Pace
from jaxtalk.train.peak import flops
from jaxtalk.train.preemption import Preempted, Preemption
from jaxtalk.train.profile import Profile
from jaxtalk.train.run_options import RunOptions
from jaxtalk.train.skips import Skips
from jaxtalk.train.watchdog import Watchdog, compare


def run(experiment: Experiment, folder: Path, devices: list | None = None, options: RunOptions | None = None):
    """Trains to `experiment.steps`, continuing from the newest checkpoint in `folder`; returns the state.

    Writes `folder/log.jsonl` (one line per log or evaluation), checkpoints, and what `experiment.export` writes.

    Raises:
        InputError: the mesh does not fit the devices or the batch, a checkpoint cannot be written or trusted, or too
            many steps in a row had no finite gradient.
        Preempted: SIGTERM or SIGUSR1 came; the last step is saved, and the process is to end with status 75.
    """
    folder, options = Path(folder), options or RunOptions()
    folder.mkdir(parents=True, exist_ok=True)
    if options.compile_cache:
        jax.config.update("jax_compilation_cache_dir", str(options.compile_cache))
    grid = mesh.make(options.mesh.otherwise(experiment.mesh), devices)
    batches = stream(experiment.data())  # first: data that is missing is told before anything is compiled
    state = parallel.init(experiment.init, jax.random.key(experiment.seed), grid, experiment.rules)
    step = parallel.compile_step(experiment.step, state, grid, experiment.rules)
    peak = flops(grid.devices.flat[0].device_kind)
    pace, skips = Pace(experiment.flops, peak and peak * grid.size), Skips(folder, experiment.skips)
    with contextlib.ExitStack() as until_the_end:
        if hasattr(batches, "close"):
            until_the_end.callback(batches.close)
        kept = experiment.keep, experiment.keep_every, experiment.best
        checkpoints = until_the_end.enter_context(Checkpoints(folder / "checkpoints", *kept))
        log = until_the_end.enter_context(Log(folder, options))
        profile = until_the_end.enter_context(Profile(folder / "profile", options.profile))
        watchdog = until_the_end.enter_context(Watchdog(folder, options.stall))
        preemption = until_the_end.enter_context(Preemption())
        first = checkpoints.latest or 0
        if first:
            state = checkpoints.restore(state, batches)
        total = {}
        for i in tqdm.trange(first, experiment.steps + 1, initial=first, desc=experiment.name, disable=_bar()):
            watchdog.alive()
            last, told, measured = i == experiment.steps, preemption.requested(i), {}
            if last or (i > first and i % experiment.evaluate_every == 0 and not told):
                with pace.aside():
                    measured = _evaluate(experiment, state, i, log)
            if last or told or (i > first and i % experiment.save_every == 0):
                with pace.aside():
                    checkpoints.save(i, state, batches, measured)
            if last:
                break
            if told:
                checkpoints.wait()  # while signals are still heard
                raise Preempted(i)
            batch = pace.next(batches)
            profile.step(state)
            state, metrics = step(state, parallel.put(batch, grid))
            skips.look(i, metrics, batch)
            total = mean.merged(total, metrics)
            if (i + 1) % experiment.log_every == 0:
                times = pace.report()
                log.write(i + 1, "train", mean.values(total) | times)
                compare(times["seconds_per_step"], times["data_wait"] * times["seconds_per_step"])
                total = {}
        skips.judge()
    if experiment.export:
        mine = distributed.own(state)
        if distributed.first():
            experiment.export(mine, folder)
    return state


def _evaluate(experiment: Experiment, state, step: int, log: Log) -> dict[str, float]:
    """The numbers of `experiment.evaluate`, told; every process works them out, so that all know the best."""
    mine = distributed.own(state)
    numbers = experiment.evaluate(mine) if experiment.evaluate else {}
    if numbers:
        log.write(step, "eval", numbers)
    if log.shows:
        log.show(step, show.parameters(mine) | (experiment.show(mine) if experiment.show else {}))
    return numbers


def _bar() -> bool | None:
    """Progress is shown by the first process, on terminals."""
    return None if distributed.first() else True


def stream(dataset):
    """A grain MapDataset becomes a stream, read a few batches ahead; other ways to read are the config's choice."""
    ahead = grain.ReadOptions(num_threads=4, prefetch_buffer_size=8)  # grain's own default is 500, of whole batches
    return iter(dataset.to_iter_dataset(ahead) if hasattr(dataset, "to_iter_dataset") else dataset)
