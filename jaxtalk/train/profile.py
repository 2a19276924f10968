"""A window of steps under jax's profiler."""

from pathlib import Path

import jax

_QUIET = 10  # steps before it: the first ones compile and fill queues


class Profile:
    """Profiles `steps` steps, from the tenth that this process makes on, into `folder`."""

    def __init__(self, folder: Path, steps: int):
        self._folder, self._first, self._last = folder, _QUIET, _QUIET + steps
        self._made, self._running = 0, False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop()

    def step(self, state) -> None:
        """To be called before each step; `state` is waited for at both ends of the window, so that it is whole."""
        if self._first < self._last and self._made == self._first:
            jax.block_until_ready(state)
            jax.profiler.start_trace(str(self._folder))
            self._running = True
        if self._made == self._last:
            jax.block_until_ready(state)
            self._stop()
        self._made += 1

    def _stop(self) -> None:
        if self._running:
            jax.profiler.stop_trace()
            self._running = False
