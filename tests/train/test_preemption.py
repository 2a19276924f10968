import os
import signal
import threading

import pytest

from jaxtalk.train import preemption
from jaxtalk.train.preemption import Preempted, Preemption


@pytest.fixture
def killed(monkeypatch):
    """Signals that the process would have sent itself, instead of its end."""
    sent = []
    monkeypatch.setattr(os, "kill", lambda _, number: sent.append(number))
    return sent


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_is_a_request_and_handlers_come_back(number, caplog):
    before = [signal.getsignal(each) for each in preemption.SIGNALS]
    with Preemption() as stop:
        assert not stop.requested(1)
        signal.raise_signal(number)
        assert stop.requested(2) and number.name in caplog.text
    assert [signal.getsignal(each) for each in preemption.SIGNALS] == before


def test_the_same_notice_twice_at_once_is_one_and_later_the_end(killed, monkeypatch):
    with Preemption() as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGUSR1)
        assert stop.requested(1) and killed == []
        monkeypatch.setattr(preemption, "REPEATED", -1.0)
        signal.raise_signal(signal.SIGTERM)
        assert killed == [signal.SIGTERM] and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_beside_the_main_thread_nothing_changes():
    before, inside = signal.getsignal(signal.SIGTERM), []

    def run():
        with Preemption() as stop:
            inside.append((signal.getsignal(signal.SIGTERM), stop.requested(1)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert inside == [(before, False)]


def test_of_several_processes_jax_hears_the_signal_and_says_when(killed, monkeypatch):
    agreed = iter([False, False, True])
    monkeypatch.setattr(preemption.jax, "process_count", lambda: 2)
    monkeypatch.setattr(preemption.multihost_utils, "reached_preemption_sync_point", lambda step: next(agreed))
    before = signal.getsignal(signal.SIGTERM)
    with Preemption() as stop:
        assert not stop.requested(1)
        signal.raise_signal(signal.SIGUSR1)
        assert killed == [signal.SIGTERM] and not stop.requested(2)
        assert signal.getsignal(signal.SIGTERM) == before  # jax's own is below Python's and stays
        assert stop.requested(3)
        signal.raise_signal(signal.SIGTERM)  # now it saves: the first one that comes to this process itself is no end
        assert killed == [signal.SIGTERM]
        monkeypatch.setattr(preemption, "REPEATED", -1.0)
        signal.raise_signal(signal.SIGTERM)
        assert killed == [signal.SIGTERM, signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) == before


def test_its_exit_status_asks_for_another_start():
    with pytest.raises(SystemExit) as end:
        raise Preempted(7)
    assert end.value.code == 75 and end.value.step == 7
