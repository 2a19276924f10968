import re
import time

import numpy as np

from jaxtalk.train import watchdog
from jaxtalk.train.watchdog import Watchdog


def stuck_here(seconds):
    time.sleep(seconds)


def test_a_stall_writes_all_stacks_once_to_the_file_and_to_standard_error(tmp_path, capsys, caplog):
    with Watchdog(tmp_path, 0.2) as dog:
        dog.alive()
        stuck_here(0.9)
    told = (tmp_path / "stacks-0.txt").read_text()
    assert told.count("no step for 0.2 s") == 1 and "in stuck_here" in told and "watchdog.py" in told
    assert told == capsys.readouterr().err
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_every_stall_is_told(tmp_path, capsys):
    with Watchdog(tmp_path, 0.1) as dog:
        for _ in range(2):
            stuck_here(0.5)
            dog.alive()
            time.sleep(0.05)
    assert len(re.findall("no step", (tmp_path / "stacks-0.txt").read_text())) == 2
    assert capsys.readouterr().err.count("in stuck_here") == 2


def test_a_run_with_a_pulse_writes_nothing(tmp_path):
    with Watchdog(tmp_path, 10.0) as dog:
        dog.alive()
    assert not list(tmp_path.iterdir())


def test_stacks_that_cannot_be_written_end_nothing(tmp_path, caplog):
    with Watchdog(tmp_path / "missing", 0.1):
        time.sleep(0.4)
    assert "No such file" in caplog.text


def test_a_process_that_waits_for_its_data_is_named():
    even = np.array([[1.0, 0.10], [1.0, 0.12], [1.0, 0.11], [1.0, 0.09]], np.float32)
    assert watchdog.slow(even) == []
    even[2, 1] = 0.5
    assert watchdog.slow(even) == ["process 2 waits for data 0.5 s a step, the median is 0.1 s"]
    even[0, 0] = 2.5
    assert watchdog.slow(even)[0] == "process 0 takes 2.5 s a step, the median is 1 s"


def test_of_two_processes_one_can_be_slow_and_microseconds_are_no_matter():
    assert len(watchdog.slow(np.array([[1.0, 0.1], [1.0, 0.3]], np.float32))) == 1
    assert watchdog.slow(np.array([[1.0, 1e-5], [1.0, 1e-3]], np.float32)) == []


def test_the_first_process_warns_of_all(monkeypatch, caplog):
    watchdog.compare(1.0, 0.9)  # alone, there is nobody to compare with
    assert caplog.text == ""
    monkeypatch.setattr(watchdog.jax, "process_count", lambda: 2)
    monkeypatch.setattr(watchdog.multihost_utils, "process_allgather", lambda own: np.stack([own, own * 3]))
    watchdog.compare(1.0, 0.9)
    assert "process 1 takes 3 s" in caplog.text and "process 1 waits for data 2.7 s" in caplog.text
