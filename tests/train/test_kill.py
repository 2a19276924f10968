"""Real processes that are killed at any moment, or told to stop, end as one that never was."""

import json
import random
import signal
import socket
import time
from pathlib import Path

import jax
import pytest
import toy_job
from toy_run import Life

from jaxtalk.train.checkpoint import Checkpoints


def finished(process) -> tuple[int, dict[int, str], list | None, str]:
    """Exit status, SHA-256 of the state by step, batches that were read (None: killed), standard error."""
    out, errors = process.communicate(timeout=300)
    lines = out.splitlines()
    digests = {int(step): digest for _, step, digest in (line.split() for line in lines if line.startswith("step "))}
    return process.returncode, digests, json.loads(lines[-1]) if lines and lines[-1][0] == "[" else None, errors


def until(process, step: int) -> int:
    """Reads what a process tells until it is at `step` or beyond; returns where it is."""
    for line in process.stdout:
        if line.startswith("step ") and int(line.split()[1]) >= step:
            return int(line.split()[1])
    raise AssertionError(process.stderr.read()[-3000:])


def two(life: Life) -> list:
    """Two processes that live it together."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    return [life.start(i, 2, port) for i in range(2)]


def newest(folder: Path) -> int:
    return max((int(path.name) for path in (folder / "checkpoints").glob("*") if path.name.isdecimal()), default=0)


def saved(folder: Path) -> tuple[int, str]:
    """Step and SHA-256 of the newest checkpoint, read here."""
    toy = toy_job.experiment(toy_job.Job(folder="", steps=0), [])
    with Checkpoints(folder / "checkpoints") as checkpoints:
        return checkpoints.latest, toy_job.digest(checkpoints.restore(toy.init(jax.random.key(toy.seed))))


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Digests and batches of thirty steps that nothing interrupts; an epoch has three."""
    status, digests, read, errors = finished(Life(folder=str(tmp_path_factory.mktemp("straight")), steps=30).start())
    assert status == 0, errors[-3000:]
    return digests, read


def test_five_steps_a_kill_and_five_more_are_ten_bit_by_bit(straight, tmp_path):
    digests, read = straight
    status, _, _, errors = finished(Life(folder=str(tmp_path), steps=10, save_every=5, strikes=8, saved=5).start())
    assert status == -signal.SIGKILL, errors[-3000:]
    status, again, batches, errors = finished(Life(folder=str(tmp_path), steps=10, save_every=5).start())
    assert status == 0, errors[-3000:]
    assert again == {step: digests[step] for step in range(6, 11)}
    assert batches == read[5:10]
    assert saved(tmp_path) == (10, digests[10])


def kill_again_and_again(folder: Path, digests: dict[int, str], times: int) -> None:
    """Kills a run that saves every step at random moments: every life begins where the last one had saved, or later."""
    moments, kept = random.Random(0), 0
    for _ in range(times):
        process = Life(folder=str(folder), steps=max(digests), save_every=1, pause=0.06).start()
        assert until(process, 0) > kept, "a checkpoint that was there is lost"
        while newest(folder) == kept and process.poll() is None:
            time.sleep(0.01)
        time.sleep(moments.uniform(0.0, 0.4))  # the next ones are being written, and the one before is deleted
        kept = newest(folder)
        process.kill()
        status, told, _, errors = finished(process)
        assert status == -signal.SIGKILL, errors[-3000:]
        assert "moved to" not in errors, "a kill must not look like damage"
        assert told == {step: digests[step] for step in told}
    step, digest = saved(folder)
    assert step >= kept and digest == digests[step]


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing_that_was_saved(straight, tmp_path):
    kill_again_and_again(tmp_path, straight[0], 3)


@pytest.mark.slow
def test_twenty_kills_at_random_moments_lose_nothing_that_was_saved(tmp_path):
    _, digests, _, _ = finished(Life(folder=str(tmp_path / "straight"), steps=200).start())
    kill_again_and_again(tmp_path / "killed", digests, 20)


def test_sigterm_saves_within_one_step_and_asks_for_another_start(straight, tmp_path):
    digests, read = straight
    status, _, batches, errors = finished(Life(folder=str(tmp_path), steps=20, strikes=3, by=signal.SIGTERM).start())
    assert status == 75, errors[-3000:]
    assert saved(tmp_path) == (4, digests[4]) and batches == read[:4]
    assert "told to stop (SIGTERM)" in errors


def test_of_two_processes_one_is_told_and_both_save_the_same_step(straight, tmp_path):
    both = two(Life(folder=str(tmp_path), steps=200, pause=0.05))
    until(both[1], 3)
    both[1].send_signal(signal.SIGUSR1)
    (_, _, first, _), (_, _, second, _) = ended = [finished(process) for process in both]
    assert [status for status, *_ in ended] == [75, 75], ended[0][3][-2000:] + ended[1][3][-2000:]
    at, _ = saved(tmp_path)
    together = [a + b for a, b in zip(first, second, strict=True)]
    assert len(together) == at and together[:30] == straight[1][:at]


@pytest.mark.slow
def test_two_processes_that_are_killed_go_on_bit_by_bit_and_one_alone_can(tmp_path):
    def live(folder, **fate):
        return [finished(process) for process in two(Life(folder=str(folder), steps=10, save_every=5, **fate))]

    (_, digests, *_), (_, others, *_) = straight = live(tmp_path / "straight")
    assert [status for status, *_ in straight] == [0, 0] and digests == others
    killed = live(tmp_path / "killed", strikes=8, saved=5)
    assert [status for status, *_ in killed] == [-signal.SIGKILL] * 2, killed[0][3][-3000:]
    resumed = live(tmp_path / "killed")
    for (_, told, batches, errors), (*_, read, _) in zip(resumed, straight, strict=True):
        assert told == {step: digests[step] for step in range(6, 11)}, errors[-3000:]
        assert batches == read[5:]
    assert saved(tmp_path / "killed") == (10, digests[10])
