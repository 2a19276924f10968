"""Several processes as one job: joining them, and what each has for itself."""

import os
from collections.abc import Mapping

import jax
from jax.experimental import multihost_utils
from jaxtyping import PyTree

from jaxtalk.errors import InputError

_OURS = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
# Where a launcher says how many processes there are, and how many of them make a job.
_COUNTS = ("SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
_HEARTBEAT = 30  # seconds without a sign of life after which the others give up


def init_distributed(environment: Mapping[str, str] | None = None) -> None:
    """Joins the other processes of a job, before anything asks jax for devices; does nothing for one process alone.

    The launcher's variables say who there is: JAX_COORDINATOR_ADDRESS (host:port), JAX_NUM_PROCESSES and
    JAX_PROCESS_ID where all three are set, otherwise those of SLURM, Open MPI and Cloud TPU, which jax reads itself.

    Raises:
        InputError: only some of the three are set, or they are no numbers.
    """
    environment = os.environ if environment is None else environment
    ours = [environment.get(name) for name in _OURS]
    if all(ours):
        address, *numbers = ours
        if not all(number.isdigit() for number in numbers):
            raise InputError(f"{_OURS[1]} and {_OURS[2]} must be numbers, not {numbers[0]} and {numbers[1]}")
        _join(coordinator_address=address, num_processes=int(numbers[0]), process_id=int(numbers[1]))
    elif any(ours[1:]):
        missing = ", ".join(name for name, value in zip(_OURS, ours, strict=True) if not value)
        raise InputError(f"{missing}: not set; several processes need all of {', '.join(_OURS)}")
    elif _launched(environment):
        _join()


def _launched(environment: Mapping[str, str]) -> bool:
    """Whether a launcher that jax knows has started more than one process."""
    counts = [environment.get(name, "1") for name in _COUNTS]
    workers = environment.get("TPU_WORKER_HOSTNAMES", "").split(",")
    return len(workers) > 1 or any(count.isdigit() and int(count) > 1 for count in counts)


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
