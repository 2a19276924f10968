"""Collectives of small steps that XLA compiles for eight simulated devices, beside what theory calls for."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtalk.train import collectives, hlo, mesh, parallel
from jaxtalk.train.mesh import MeshShape

WIDE, NARROW, ROWS = 256, 64, 512


def step(state, batch):
    def loss(layers):
        x = batch["x"]
        for layer in layers:
            x = x + jax.nn.relu(x @ layer["widen"]["kernel"]) @ layer["narrow"]["kernel"]
        return (x**2).mean()

    value, gradient = jax.value_and_grad(loss)(state)
    return jax.tree.map(lambda p, g: p - g, state, gradient), {"loss": value}


def compiled(step, shape: MeshShape, layers: int = 1) -> tuple[hlo.Program, dict]:
    grid = mesh.make(shape)
    array = jax.ShapeDtypeStruct
    layer = {"widen": {"kernel": array((NARROW, WIDE), jnp.float32)}}
    layer |= {"narrow": {"kernel": array((WIDE, NARROW), jnp.float32)}}
    state, batch = [layer] * layers, {"x": array((ROWS, NARROW), jnp.float32)}
    text = parallel.compile_step(step, state, grid).lower(state, batch).compile().as_text()
    return hlo.parse(text), dict(grid.shape)


def found(shape: MeshShape) -> dict:
    """Bytes by kind and axes, without single numbers."""
    read = collectives.read(*compiled(step, shape))
    rows = collectives.summary([c for c in read if c.bytes > 64], lambda c: 0.0)
    return {(row["kind"], *row["axes"]): row["bytes"] for row in rows}


PARAMETERS, LOSS = 4 * 2 * WIDE * NARROW, 4  # bytes


def test_a_data_mesh_reduces_each_gradient_once_and_nothing_else():
    assert found(MeshShape(data=8)) == {("all-reduce", "data"): PARAMETERS + LOSS}


def test_slices_reduce_gradients_along_both_axes():
    told = found(MeshShape(slice=2, data=4))
    assert {axis for _, *axes in told for axis in axes} == {"slice", "data"}
    assert {kind for kind, *_ in told} == {"all-reduce"}


def test_fsdp_gathers_parameters_and_reduces_gradients_along_its_axis_alone():
    told = found(MeshShape(data=1, fsdp=8))
    assert {axis for _, *axes in told for axis in axes} == {"fsdp"}
    assert told[("all-gather", "fsdp")] >= PARAMETERS
    reduced = told.get(("all-reduce", "fsdp"), 0) + told.get(("reduce-scatter", "fsdp"), 0)
    assert reduced == PARAMETERS + LOSS


def test_tensor_parallel_blocks_end_in_one_sum_of_activations_and_gradients_are_parts():
    told = found(MeshShape(data=2, tensor=4))
    assert told[("all-reduce", "data")] == PARAMETERS // 4 + LOSS
    assert told[("all-reduce", "tensor")] == 4 * ROWS // 2 * NARROW  # forward; the input needs no gradient
    assert not [kind for kind, *_ in told if kind == "all-gather"]


def test_what_a_loop_repeats_counts_as_often():
    def looped(state, batch):
        def layer(x, kernels):
            return jax.nn.relu(x @ kernels[0]) @ kernels[1], None

        stacked = tuple(jnp.stack([layer[name]["kernel"] for layer in state]) for name in ("widen", "narrow"))
        return state, {"x": jax.lax.scan(layer, batch["x"], stacked)[0].sum()}

    read = collectives.read(*compiled(looped, MeshShape(data=2, tensor=4), layers=5))
    inside = [c for c in read if c.times == 5]
    assert [(c.kind, c.axes) for c in inside] == [("all-reduce", ("tensor",))]


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("replica_groups={{0,2},{1,3}}, x", [[0, 2], [1, 3]]),
        ("replica_groups=[2,2]<=[4], x", [[0, 1], [2, 3]]),
        ("replica_groups=[2,2]<=[2,2]T(1,0), x", [[0, 2], [1, 3]]),
        ("replica_groups=mesh['a'=2,'b'=2] {'a'}, x", [[0, 2], [1, 3]]),
        ("replica_groups=mesh['a'=2,'b'=2], device_ids=([2,2]T(1,0)) {'a'}, x", [[0, 1], [2, 3]]),
        ("replica_groups=mesh['a'=4] {'a':(1)2}, x", [[0, 2], [1, 3]]),
        ("replica_groups={}, x", [[0, 1, 2, 3]]),
    ],
)
def test_all_ways_in_which_xla_writes_groups(text, groups):
    np.testing.assert_array_equal(collectives._groups(text, 4), groups)


@functools.cache
def _started() -> hlo.Program:
    return hlo.parse(
        """
ENTRY %main (p: f32[8]) -> f32[32] {
  %p = f32[8]{0} parameter(0)
  %g = (f32[8]{0}, f32[32]{0}) all-gather-start(%p), channel_id=1, replica_groups=[2,4]<=[8], dimensions={0}
  %s = (f32[32]{0}, f32[8]{0}, u32[], u32[]) collective-permute-start(%p), source_target_pairs={{0,4},{4,0}}
  ROOT %d = f32[32]{0} all-gather-done(%g)
}
"""
    )


def test_what_is_begun_early_counts_once_and_is_told():
    gathered, sent = collectives.read(_started(), {"data": 2, "fsdp": 4})
    assert (gathered.kind, gathered.axes, gathered.bytes, gathered.hidden) == ("all-gather", ("fsdp",), 128, True)
    assert (sent.kind, sent.axes) == ("collective-permute", ("data",))


def test_libtpus_sends_between_slices_are_collectives_along_their_axis():
    program = hlo.parse(
        """
ENTRY %main (p: f32[4,8]) -> f32[4,8] {
  %p = f32[4,8]{1,0} parameter(0)
  %t = token[] after-all()
  %s = (f32[4,8]{1,0}, u32[], token[]) send(%p, %t), channel_id=2, is_host_transfer=true, \
frontend_attributes={_xla_megascale_target="{1,2}x{0:3}",_xla_megascale_transfer_type="ALL_REDUCE"}
  %r = (f32[4,8]{1,0}, u32[], token[]) recv(%t), frontend_attributes={_xla_megascale_transfer_type="ALL_REDUCE"}
  ROOT %n = f32[4,8]{1,0} negate(%p)
}
"""
    )
    (found,) = collectives.read(program, {"slice": 2, "data": 4})
    assert (found.kind, found.axes, found.ways, found.bytes) == ("all-reduce", ("slice",), 2, 128)
