"""How fast a run goes, and where its time goes."""

import contextlib
import time
from collections.abc import Iterator

import jax


class Pace:
    """Counts steps, examples and waiting between reports.

    `flops`: the model's in a step, all devices together; `peak`: what these could do in a second.
    """

    def __init__(self, flops: float | None = None, peak: float | None = None):
        self._flops, self._peak = flops, peak
        self._start = self._last = time.perf_counter()
        self._aside = self._aside_last = self._waited = 0.0
        self._steps = self._examples = 0

    def next(self, batches: Iterator[dict]) -> dict:
        """The next batch of this process."""
        start = time.perf_counter()
        batch = next(batches)
        self._waited += time.perf_counter() - start
        self._steps += 1
        self._examples += len(jax.tree.leaves(batch)[0]) * jax.process_count()
        return batch

    @contextlib.contextmanager
    def aside(self):
        """Time that is not training: compiling, evaluation, saving."""
        start = time.perf_counter()
        yield
        self._aside += time.perf_counter() - start

    def report(self) -> dict[str, float]:
        """Since the last report: seconds a step, examples a second, the share of time spent waiting for data.

        `goodput` is the share of the whole run's time that was spent on training. `mfu`, where the model's FLOPs and
        the devices' peak are known: the share of the peak that the model makes use of.
        """
        now = time.perf_counter()
        spent = max(now - self._last - (self._aside - self._aside_last), 1e-9)
        numbers = {
            "seconds_per_step": spent / max(self._steps, 1),
            "examples_per_second": self._examples / spent,
            "data_wait": self._waited / spent,
            "goodput": 1 - self._aside / (now - self._start),
        }
        if self._flops and self._peak:
            numbers["mfu"] = self._flops * self._steps / (spent * self._peak)
        self._last, self._aside_last, self._waited = now, self._aside, 0.0
        self._steps = self._examples = 0
        return numbers
