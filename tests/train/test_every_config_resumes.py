"""Every trainable config: ten steps straight are, to the bit, five, a kill -9 at the eighth, and five more."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_configs
import toy_job

JOB = Path(__file__).with_name("config_job.py")


def run(name: str, folder: Path, *kill: str) -> tuple[int, dict | None]:
    flags = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
    process = subprocess.run(
        [sys.executable, str(JOB), name, str(folder), *kill],
        env=toy_job.environment() | flags,
        capture_output=True,
        text=True,
        timeout=1500,
    )
    if process.returncode not in (0, -signal.SIGKILL):
        raise AssertionError(process.stderr[-3000:])
    return process.returncode, json.loads(process.stdout.splitlines()[-1]) if process.returncode == 0 else None


def test_there_is_a_tiny_one_of_every_config():
    assert set(tiny_configs._TINY) == set(tiny_configs.NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("name", tiny_configs.NAMES)
def test_killed_training_that_is_repeated_ends_as_if_never_killed(name, tmp_path):
    _, straight = run(name, tmp_path / "straight")
    assert run(name, tmp_path / "killed", "7") == (-signal.SIGKILL, None)
    _, resumed = run(name, tmp_path / "killed")
    assert straight["batches"][5:] == resumed["batches"]
    assert straight["state"] == resumed["state"]
