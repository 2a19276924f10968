"""Runs that stand still or limp: where every thread is, and which process makes the others wait."""

import datetime
import faulthandler
import logging
import statistics
import sys
import threading
import time
from pathlib import Path

import jax
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import Float

SLOW = 2.0  # times the median of all processes
NOISE = 0.05  # of the median step: waits below are no matter, whatever their ratio

log = logging.getLogger(__name__)


class Watchdog:
    """Inside, the stacks of all Python threads are written out once whenever `seconds` pass without a sign of life.

    They go to standard error and to `folder/stacks-PROCESS.txt`; the run goes on. The first step's compilation is such
    a pause, too, where it takes that long.
    """

    def __init__(self, folder: Path, seconds: float):
        self._path = Path(folder) / f"stacks-{jax.process_index()}.txt"
        self._seconds = seconds
        self._signs = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def alive(self) -> None:
        """A step, an evaluation or a save has ended."""
        self._signs += 1

    def _watch(self) -> None:
        seen, since, told = self._signs, time.monotonic(), False
        while not self._end.wait(self._seconds / 10):
            if self._signs != seen:
                seen, since, told = self._signs, time.monotonic(), False
            elif not told and time.monotonic() - since > self._seconds:
                self._tell()
                told = True

    def _tell(self) -> None:
        log.warning("no step for %g s; the stacks of all threads are in %s", self._seconds, self._path)
        try:
            with open(self._path, "a+") as file:
                start = file.tell()
                file.write(
                    f"{datetime.datetime.now().isoformat(timespec='seconds')}: no step for {self._seconds:g} s\n"
                )
                file.flush()
                faulthandler.dump_traceback(file, all_threads=True)
                file.seek(start)
                sys.stderr.write(file.read())
        except OSError as error:  # a full disk is no reason to end a run that may go on
            log.warning("%s: %s", self._path, error.strerror)


def compare(seconds: float, waited: float) -> None:
    """Compares this process's seconds a step, and those of them spent waiting for data, with the other processes'.

    All processes call it at the same step; the first one warns of each that makes the others wait.
    """
    if jax.process_count() > 1:
        times = multihost_utils.process_allgather(np.array([seconds, waited], np.float32))
        for line in slow(np.asarray(times)) if jax.process_index() == 0 else ():
            log.warning("%s", line)


def slow(times: Float[np.ndarray, "process 2"]) -> list[str]:
    """What is said of processes that take more than twice the median of a step's time or of the wait for data.

    The median is the lower one, so that of two processes one can be slow. In a step that all take together, the time is
    everyone's: who lets the others wait, is seen by its data alone.
    """
    step = statistics.median_low(times[:, 0].tolist())
    said = []
    for what, column in (("takes", 0), ("waits for data", 1)):
        median = statistics.median_low(times[:, column].tolist())
        for process, value in enumerate(times[:, column].tolist()):
            if value > SLOW * median and value > NOISE * step:
                said.append(f"process {process} {what} {value:.3g} s a step, the median is {median:.3g} s")
    return said
