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


@pytest.mark.parametrize(
    "mesh",
    [
        pytest.param({}, marks=pytest.mark.slow),
        {"fsdp": 8},
        pytest.param({"data": 2, "tensor": 4}, marks=pytest.mark.slow),
    ],
    ids=["data", "fsdp", "tensor"],
)
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
    distributed.init_distributed({"SLURM_STEP_NUM_TASKS": "1", "TPU_WORKER_HOSTNAMES": "localhost"})
    distributed.init_distributed({"SLURM_NTASKS": "8"})  # the script of a job, which has started no steps yet
    distributed.init_distributed({"OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"})


@pytest.fixture
def joined(monkeypatch) -> list[dict]:
    """What jax is told to join."""
    calls = []
    monkeypatch.setattr(distributed.jax.distributed, "initialize", lambda **who: calls.append(who))
    return calls


OURS = {"JAX_COORDINATOR_ADDRESS": "host:1", "JAX_NUM_PROCESSES": "4", "JAX_PROCESS_ID": "3"}


def test_the_three_variables_say_it_all(joined):
    distributed.init_distributed(OURS | {"SLURM_STEP_NUM_TASKS": "8", "OMPI_COMM_WORLD_SIZE": "8"})
    (who,) = joined
    assert who.items() >= {"coordinator_address": "host:1", "num_processes": 4, "process_id": 3}.items()


@pytest.mark.parametrize(
    "launcher",
    [
        {"SLURM_STEP_NUM_TASKS": "2", "PMI_SIZE": "2", "PMI_RANK": "0"},
        {"OMPI_COMM_WORLD_SIZE": "8", "OMPI_COMM_WORLD_RANK": "1", "OMPI_MCA_orte_hnp_uri": "1.0;tcp://1.1.1.1:1"},
        {"TPU_WORKER_HOSTNAMES": "a,b"},
        {"TPU_WORKER_HOSTNAMES": "a", "MEGASCALE_NUM_SLICES": "2"},
        {"JAXTALK_JOIN": "1"},
    ],
)
def test_launchers_that_jax_knows_are_left_to_it(launcher, joined):
    distributed.init_distributed(launcher)
    (who,) = joined
    assert "coordinator_address" not in who


@pytest.mark.parametrize(
    "ranks",
    [
        {"OMPI_COMM_WORLD_SIZE": "8", "OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_LOCAL_RANK": "1"},
        {"PMI_SIZE": "8", "PMI_RANK": "5", "MPI_LOCALRANKID": "1"},
    ],
)
def test_ranks_of_mpi_need_an_address(ranks, joined):
    distributed.init_distributed(ranks | {"JAX_COORDINATOR_ADDRESS": "host:1", "SLURM_STEP_NUM_TASKS": "2"})
    (who,) = joined
    expected = {"coordinator_address": "host:1", "num_processes": 8, "process_id": 5, "local_device_ids": [1]}
    assert who.items() >= expected.items()
    with pytest.raises(InputError, match="JAX_COORDINATOR_ADDRESS: not set; MPI does not say"):
        distributed.init_distributed(ranks)


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({"JAX_PROCESS_ID": ""}, "JAX_PROCESS_ID: not set"),
        ({"JAX_PROCESS_ID": "", "JAX_NUM_PROCESSES": ""}, "JAX_NUM_PROCESSES, JAX_PROCESS_ID: not set"),
        ({"JAX_NUM_PROCESSES": "four"}, "must be numbers, not four and 3"),
        ({"JAX_PROCESS_ID": "4"}, "of 4 processes the last is 3"),
        ({"JAX_COORDINATOR_ADDRESS": "host"}, "host: has no port"),
    ],
)
def test_what_cannot_be_right_is_told(wrong, told, joined):
    with pytest.raises(InputError, match=told):
        distributed.init_distributed(OURS | wrong)
    assert not joined
