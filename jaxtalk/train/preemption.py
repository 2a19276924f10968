"""Being told to stop: a checkpoint first, then an exit status that asks to be started again.

Schedulers announce the end of a job by SIGTERM, or by SIGUSR1 where one asks for it, some time before they kill it.
"""

import logging
import os
import signal
import threading
import time

import jax
from jax.experimental import multihost_utils

STATUS = 75  # EX_TEMPFAIL of sysexits.h: not a failure, try again
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
REPEATED = 1.0  # seconds within which the same signal is the same notice: launchers send it to all they know

log = logging.getLogger(__name__)


class Preempted(SystemExit):
    """The run stopped because it was told to; everything until `step` is saved."""

    def __init__(self, step: int):
        super().__init__(STATUS)
        self.step = step


class Preemption:
    """Inside, the signals are notices. The same one again, a second later or more, ends the process at once.

    Handlers are Python's, so only the main thread can have them; elsewhere nothing changes. In a job of several
    processes jax's own service hears SIGTERM, looks for it once a second and makes out with the others the step at
    which all of them stop, whichever was told; SIGUSR1 is passed on to it. That costs microseconds a step, where a
    number gathered from all processes would cost them a wait for each other.
    """

    def __init__(self):
        self._told: dict[int, float] = {}  # signal -> when it came first
        self._before: dict[int, object] = {}
        self._several = jax.process_count() > 1

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._listen({signal.SIGUSR1: self._pass_on} if self._several else dict.fromkeys(SIGNALS, self._notice))
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def requested(self, step: int) -> bool:
        """Whether to save after `step` and stop. Ask once a step: every process is told so at the same one."""
        stop = multihost_utils.reached_preemption_sync_point(step) if self._several else bool(self._told)
        if stop:
            name = signal.Signals(next(iter(self._told))).name if self._told else "another process or SIGTERM"
            log.warning("told to stop (%s): saving step %d, then exit status %d", name, step, STATUS)
            if self._before:  # from now on, while this process saves, one that it had not had is none to die of
                self._listen(dict.fromkeys(SIGNALS, self._notice))
        return stop

    def _listen(self, handlers: dict) -> None:
        for number, handler in handlers.items():
            before = signal.signal(number, handler)
            self._before.setdefault(number, before)

    def _notice(self, number: int, _) -> None:
        first = self._told.setdefault(number, time.monotonic())
        if time.monotonic() - first > REPEATED:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def _pass_on(self, number: int, _) -> None:
        self._told.setdefault(number, time.monotonic())
        os.kill(os.getpid(), signal.SIGTERM)
