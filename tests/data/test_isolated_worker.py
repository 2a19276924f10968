"""Processes that may die."""

import os
import signal
import time

import pytest

from jaxtalk.data import isolated_worker
from jaxtalk.data.isolated_worker import Died, each


def test_a_process_that_dies_costs_its_item_alone():
    wanted = [signal.SIGCONT, signal.SIGKILL, signal.SIGCONT, signal.SIGABRT, signal.SIGCONT]
    results = list(each(signal.raise_signal, wanted, workers=2, prepare=os.getpid))
    assert sorted(item for item, _ in results) == sorted(wanted)
    for item, result in results:
        expected = None if item == signal.SIGCONT else Died(f"its process was ended by {item.name}")
        assert result == expected


def test_what_the_function_raises_is_raised_here_and_nothing_goes_on():
    before = time.monotonic()
    with pytest.raises(ValueError, match="sleep length"):
        for _ in each(time.sleep, [-1, 600, 600], workers=2, prepare=os.getpid):
            pass
    assert time.monotonic() - before < 60


def test_results_belong_to_their_items():
    assert dict(each(abs, [-3, 4, -5, 0], workers=3, prepare=os.getpid)) == {-3: 3, 4: 4, -5: 5, 0: 0}


def test_a_process_that_served_long_is_replaced(monkeypatch):
    monkeypatch.setattr(isolated_worker, "LIFE", 2)
    served = [pid for _, pid in each(_process, range(5), workers=1, prepare=os.getpid)]
    assert len(set(served)) == 3 and served[0] == served[1] != served[2] == served[3] != served[4]


def _process(_) -> int:
    return os.getpid()
