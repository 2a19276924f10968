"""The one place where a pure step meets devices: jit, donation, shardings, batches."""

import contextlib
import functools

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from jaxtalk.errors import InputError
from jaxtalk.train.mesh import BATCH_AXES, batch_ways
from jaxtalk.train.sharding import RULES, ShardingRules


@contextlib.contextmanager
def on(mesh: Mesh, rules: ShardingRules):
    """Inside, functions are traced for this mesh: activations stay where the rules put them."""
    with jax.set_mesh(mesh), rules.logical():
        yield


def compile_step(step, state: PyTree, mesh: Mesh, rules: ShardingRules = RULES):
    """`step` under jit for a state of these shapes, which is donated; the batch is split along its first axis.

    Metrics come back whole on every device. `.lower(state, batch)` of shapes is for compiling ahead of time.
    """
    placed = rules.shardings(state, mesh)
    whole = NamedSharding(mesh, PartitionSpec())
    compiled = jax.jit(
        step, in_shardings=(placed, batch_sharding(mesh)), out_shardings=(placed, whole), donate_argnums=0
    )

    def run(state, batch):
        with on(mesh, rules):
            return compiled(state, batch)

    def lower(*shapes):
        with on(mesh, rules):
            return compiled.lower(*shapes)

    run.lower = lower
    return run


def init(make_state, rng, mesh: Mesh, rules: ShardingRules = RULES) -> PyTree:
    """The state, born where it will live."""
    with jax.set_mesh(mesh):  # without rules for activations: they are of a single example, which nothing splits
        placed = rules.shardings(jax.eval_shape(make_state, rng), mesh)
        return jax.jit(make_state, out_shardings=placed)(rng)


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """The first axis over all axes of the mesh that split batches."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXES))


def put(batch: PyTree, mesh: Mesh) -> PyTree:
    """This process's rows of a batch on its devices; together the processes' rows are the batch, in their order.

    Raises:
        InputError: the rows do not divide among the devices, or devices of several processes need the same rows.
    """
    if _mixed(mesh):
        raise InputError(
            f"mesh {dict(mesh.shape)}: devices that share examples, along sequence and tensor, belong to several"
            " processes, each of which reads examples of its own; make sequence x tensor smaller"
        )
    rows, ways = len(jax.tree.leaves(batch)[0]) * jax.process_count(), batch_ways(mesh.shape)
    if rows % ways:
        raise InputError(f"a batch of {rows} does not divide among {ways} devices; change --batch or --mesh")
    sharding = batch_sharding(mesh)
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, x), batch)


@functools.cache
def _mixed(mesh: Mesh) -> bool:
    """Whether a group of devices with the same rows lies in several processes: on 4 x 4 x 4 chips a side of 4 does."""
    groups = mesh.devices.reshape(-1, mesh.shape["sequence"] * mesh.shape["tensor"])
    return any(len({device.process_index for device in group}) > 1 for group in groups)
