"""The one place where a pure step meets devices: mesh, shardings, jit and donation."""

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree


def data_mesh(devices: list | None = None) -> Mesh:
    """All devices on one axis called `data`."""
    devices = devices or jax.devices()
    return jax.make_mesh((len(devices),), ("data",), axis_types=(AxisType.Auto,), devices=devices)


def compile_step(step, mesh: Mesh):
    """`step` under jit: state replicated and donated, batch split along its first axis over `data`."""
    replicated, split = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("data"))
    return jax.jit(step, in_shardings=(replicated, split), out_shardings=replicated, donate_argnums=0)


def init(make_state, rng, mesh: Mesh) -> PyTree:
    """The state, born where it will live."""
    return jax.jit(make_state, out_shardings=NamedSharding(mesh, PartitionSpec()))(rng)


def put(batch: PyTree, mesh: Mesh) -> PyTree:
    """A host's batch on the devices. Its size must be a multiple of their number."""
    sharding = NamedSharding(mesh, PartitionSpec("data"))
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, x), batch)
