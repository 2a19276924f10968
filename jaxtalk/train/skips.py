"""Steps without a finite gradient: they are counted, and after too many in a row the run gives up."""

from pathlib import Path

import jax
import numpy as np

from jaxtalk.errors import InputError
from jaxtalk.io import output
from jaxtalk.train import distributed


class Skips:
    """Looks at each step while the next one runs, so that devices never wait for it."""

    def __init__(self, folder: Path, limit: int):
        self._folder, self._limit = folder, limit
        self._last = None
        self.row = 0  # steps skipped in a row
        self.total = 0

    def look(self, step: int, metrics: dict, batch: dict) -> None:
        """Remembers this step and judges the one before.

        Raises:
            InputError: `limit` steps in a row were skipped; batch and number of the last are in `nonfinite-STEP.npz`.
        """
        self.judge()
        self._last = step, {k: v for k, v in metrics.items() if k.endswith("skipped")}, batch

    def judge(self) -> None:
        """Judges the step that was looked at last, when it is done."""
        if self._last is None:
            return
        step, counts, batch = self._last
        self._last = None
        skipped = any(float(count.sum) > 0 for count in jax.device_get(counts).values())
        self.row = self.row + 1 if skipped else 0
        self.total += skipped
        if self.row >= self._limit:
            raise InputError(
                f"{self._dump(step, batch)}: the gradients of {self.row} steps in a row are not finite, the last "
                f"with this batch; lower --rate, or look at the data"
            )

    def _dump(self, step: int, batch: dict) -> Path:
        path = self._folder / f"nonfinite-{step}-{jax.process_index()}.npz"
        with output.atomic(path) as draft, open(draft, "wb") as file:
            np.savez(file, step=step, **batch)
        distributed.wait("dump")
        return path
