"""Processes that work for this one and may die: what a broken video does to a decoder in C ends no long run.

    for item, result in each(function, items, workers=4, prepare=use_cpu):
        ...  # `result` is what the function returned, or Died

A pool of the standard library ends, or waits for ever, when one of its processes is killed.
"""

import contextlib
import logging
import multiprocessing
import multiprocessing.connection
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

LIFE = 200  # items after which a process is replaced: video decoders' threads leave its heap in ever more pieces


class Died(NamedTuple):
    """The process ended while it worked on something."""

    how: str


class Worker:
    """One process that calls `function`; it starts with the first item, and again after it has died or served long."""

    def __init__(self, function: Callable[[Any], Any], prepare: Callable[[], None]):
        self._function, self._prepare = function, prepare
        self._process, self._left = None, LIFE

    def send(self, item: Any) -> None:
        """Begins to work on an item; `connection` is ready when that is done."""
        if self._left == 0:
            self.close()
        if self._process is None:
            self._left = LIFE
            context = multiprocessing.get_context("spawn")  # forked, it would inherit threads and locks of jax
            self.connection, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs, self._prepare), daemon=True)
            self._process.start()
            theirs.close()  # so that its end is noticed
            self._say(self._function)
        self._left -= 1
        self._say(item)

    def _say(self, what: Any) -> None:
        with contextlib.suppress(BrokenPipeError):  # it was killed while it waited: `result` will find out
            self.connection.send(what)

    def result(self) -> Any:
        """Waits for what the function returned, or Died. Raises what the function raised."""
        try:
            done, value = self.connection.recv()
        except (EOFError, OSError):
            self._process.join()
            died, self._process = Died(_how(self._process.exitcode)), None
            self.connection.close()
            return died
        if not done:
            raise value
        return value

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.join()
            self.connection.close()
            self._process = None


def each(
    function: Callable[[Any], Any], items: Iterable[Any], workers: int, prepare: Callable[[], None]
) -> Iterator[tuple[Any, Any]]:
    """(item, result) of every item, as they get done. `prepare` is called first in every process."""
    items, idle, busy = iter(items), [Worker(function, prepare) for _ in range(workers)], {}
    everyone = tuple(idle)
    try:
        while True:
            while idle and (item := next(items, None)) is not None:
                worker = idle.pop()
                worker.send(item)
                busy[worker.connection] = worker, item
            if not busy:
                return
            for connection in multiprocessing.connection.wait(list(busy)):
                worker, item = busy.pop(connection)
                idle.append(worker)
                yield item, worker.result()
    finally:
        for worker in everyone:
            worker.close()


def _serve(connection, prepare: Callable[[], None]) -> None:
    """The life of a worker. It ends when the other side does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the main one ends the others
    logging.getLogger("jaxtalk").setLevel(logging.ERROR)  # messages about files would tear a bar
    prepare()
    call = connection.recv()  # only now, as what it needs may start jax
    while True:
        try:
            item = connection.recv()
        except EOFError:
            return
        try:
            answer = True, call(item)
        except Exception as error:
            answer = False, error
        connection.send(answer)


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended with status {code}"
