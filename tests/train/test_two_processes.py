"""Two real processes with four devices each train as one with one device."""

import json
import socket
import subprocess

import numpy as np
import pytest
import toy_job
from toy_job import Job

from jaxtalk.errors import InputError
from jaxtalk.train import distributed


def run(job: Job, count: int = 1) -> list[dict]:
    """What each process of a job prints at its end."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    processes = [
        subprocess.Popen(
            job.arguments(), env=toy_job.environment(i, count, port), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for i in range(count)
    ]
    outputs = [process.communicate(timeout=300) for process in processes]
    for process, (_, errors) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, errors.decode()[-3000:]
    return [json.loads(out.decode().splitlines()[-1]) for out, _ in outputs]


def losses(folder) -> list[float]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line["error"] for line in lines if line["kind"] == "train"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    return run(Job(folder=str(folder), steps=20))[0] | {"losses": losses(folder)}


@pytest.mark.parametrize("mesh", [{}, {"fsdp": 8}, {"data": 2, "tensor": 4}], ids=["data", "fsdp", "tensor"])
def test_two_processes_of_four_devices_train_as_one(mesh, alone, tmp_path):
    both = run(Job(folder=str(tmp_path), steps=20, devices=4, mesh=mesh), count=2)
    assert [a + b for a, b in zip(both[0]["read"], both[1]["read"], strict=True)] == alone["read"]
    np.testing.assert_allclose(losses(tmp_path), alone["losses"], rtol=1e-5)
    assert both[0]["digest"] == both[1]["digest"]


def test_all_processes_skip_a_step_that_is_not_finite_on_one(alone, tmp_path):
    both = run(Job(folder=str(tmp_path), steps=6, spoilt=3), count=2)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["skipped"] for line in lines if line["kind"] == "train"] == [0, 0, 0, 1, 0, 0]
    np.testing.assert_allclose(losses(tmp_path)[:3], alone["losses"][:3], rtol=1e-5)
    assert np.isfinite(losses(tmp_path)).all() and both[0]["digest"] == both[1]["digest"]


def test_one_process_alone_joins_nobody(monkeypatch):
    monkeypatch.setattr(distributed.jax.distributed, "initialize", lambda **_: pytest.fail("nobody to join"))
    distributed.init_distributed({})
    distributed.init_distributed({"SLURM_NTASKS": "1", "TPU_WORKER_HOSTNAMES": "localhost"})


def test_launchers_variables_are_understood(monkeypatch):
    joined = []
    monkeypatch.setattr(distributed.jax.distributed, "initialize", lambda **who: joined.append(who))
    given = {"JAX_COORDINATOR_ADDRESS": "host:1", "JAX_NUM_PROCESSES": "4", "JAX_PROCESS_ID": "3"}
    distributed.init_distributed(given)
    who = {"coordinator_address": "host:1", "num_processes": 4, "process_id": 3}
    assert joined.pop().items() >= who.items()
    for launcher in ({"SLURM_NTASKS": "2"}, {"OMPI_COMM_WORLD_SIZE": "8"}, {"TPU_WORKER_HOSTNAMES": "a,b"}):
        distributed.init_distributed(launcher)
        assert "coordinator_address" not in joined.pop()  # jax asks the launcher itself
    with pytest.raises(InputError, match="JAX_PROCESS_ID: not set"):
        distributed.init_distributed({**given, "JAX_PROCESS_ID": ""})
    with pytest.raises(InputError, match="must be numbers, not four and 3"):
        distributed.init_distributed({**given, "JAX_NUM_PROCESSES": "four"})
