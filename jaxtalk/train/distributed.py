"""Several processes as one job: joining them, and what each has for itself."""

import os
from collections.abc import Mapping

import jax
from jax.experimental import multihost_utils
from jaxtyping import PyTree

from jaxtalk.errors import InputError

_OURS = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
# What mpirun tells each process: how many there are, which it is, and which of its machine (Open MPI; MPICH and kin).
_MPI = (
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK"),
    ("PMI_SIZE", "PMI_RANK", "MPI_LOCALRANKID"),
)
_JOIN = "JAXTALK_JOIN"  # set where only jax can find out who the others are: Cloud TPU VMs ask their metadata server
_HEARTBEAT = 30  # seconds without a sign of life after which the others give up


def init_distributed(environment: Mapping[str, str] | None = None) -> None:
    """Joins the other processes of a job, before anything asks jax for devices; does nothing for one process alone.

    The launcher's variables say who there is: JAX_COORDINATOR_ADDRESS (host:port), JAX_NUM_PROCESSES and
    JAX_PROCESS_ID where all three are set; the first with the ranks of MPI; otherwise those of SLURM, Open MPI 4 and
    Cloud TPU, which jax reads itself. `launch/` has a script for each.

    Raises:
        InputError: only some of them are set, or they cannot be right.
    """
    environment = os.environ if environment is None else environment
    ours = [environment.get(name, "") for name in _OURS]
    mpi = _mpi(environment)
    if all(ours):
        address, count, process = ours
        _join_numbered(address, count, process)
    elif any(ours[1:]):
        raise InputError(_missing(ours))
    elif ours[0] and mpi:
        _join_numbered(ours[0], *mpi)
    elif _launched(environment):
        _join()
    elif mpi:
        raise InputError(f"{_OURS[0]}: not set; MPI does not say where its first process runs (see launch/mpirun.sh)")
    elif ours[0]:
        raise InputError(_missing(ours))


def _missing(ours: list[str]) -> str:
    missing = ", ".join(name for name, value in zip(_OURS, ours, strict=True) if not value)
    return f"{missing}: not set; several processes need all of {', '.join(_OURS)}"


def _mpi(environment: Mapping[str, str]) -> list[str] | None:
    """How many processes mpirun has started, which this one is, and which on its machine, where it says so."""
    for names in _MPI:
        numbers = [environment[name] for name in names if name in environment]
        if len(numbers) > 1 and numbers[0] != "1":
            return numbers
    return None


def _launched(environment: Mapping[str, str]) -> bool:
    """Whether a launcher that jax knows has started more than one process."""
    counts = [environment.get(name, "1") for name in ("SLURM_STEP_NUM_TASKS", "MEGASCALE_NUM_SLICES")]
    if "OMPI_MCA_orte_hnp_uri" in environment:  # Open MPI 5 has no such thing, and jax does not know it
        counts.append(environment.get(_MPI[0][0], "1"))
    workers = (environment.get(name, "") for name in ("TPU_PROCESS_ADDRESSES", "TPU_WORKER_HOSTNAMES"))
    several = any("," in hosts for hosts in workers) or any(count.isdigit() and int(count) > 1 for count in counts)
    return several or environment.get(_JOIN, "") not in ("", "0")


def _join_numbered(address: str, count: str, process: str, device: str | None = None) -> None:
    """Joins as `process` of `count`; with `device`, only that one of this machine's GPUs is this process's."""
    if not (count.isdigit() and process.isdigit()):
        raise InputError(f"{_OURS[1]} and {_OURS[2]} must be numbers, not {count} and {process}")
    if int(process) >= int(count):
        raise InputError(f"{_OURS[2]} {process}: of {count} processes the last is {int(count) - 1}")
    if not address.rpartition(":")[2].isdigit():
        raise InputError(f"{_OURS[0]} {address}: has no port; give host:port of the first process")
    who = dict(coordinator_address=address, num_processes=int(count), process_id=int(process))
    _join(**who, local_device_ids=None if device is None else [int(device)], cluster_detection_method="deactivate")


def _join(**who) -> None:
    if not jax.distributed.is_initialized():
        jax.distributed.initialize(**who, heartbeat_timeout_seconds=_HEARTBEAT)


def first() -> bool:
    """Whether this process writes what is written once."""
    return jax.process_index() == 0


def own(state: PyTree) -> PyTree:
    """The whole state on a device of this process, for evaluation and export; with one process, the state itself."""
    if jax.process_count() == 1:
        return state
    mesh = jax.tree.leaves(state)[0].sharding.mesh
    whole = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    gathered = jax.jit(lambda x: x, out_shardings=whole)(state)
    return jax.tree.map(lambda x: x.addressable_data(0), gathered)


def wait(name: str) -> None:
    """Returns when all processes are here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)
