"""Times worked out by hand for a chip of round figures."""

import dataclasses

import pytest

from jaxtalk.train import roofline
from jaxtalk.train.chips import Chip
from jaxtalk.train.collectives import Collective
from jaxtalk.train.work import Work

CHIP = Chip(name="x", flops=100.0, memory=1.0, bandwidth=10.0, links=60e9, axes=3, network=1e9, ring=4, largest=64)
MESH = {"slice": 1, "data": 64, "fsdp": 1, "sequence": 1, "tensor": 1}
TORUS = roofline.Slice(shape=(4, 4, 4), rings=(True, True, True))
GRADIENTS = Collective(kind="all-reduce", axes=("data",), ways=64, bytes=32_000_000_000)


def test_each_operation_takes_the_slower_of_products_and_memory():
    work = [Work(flops=200, bytes=10), Work(flops=100, bytes=50, times=3)]
    step = roofline.step(work, [], CHIP, MESH, TORUS)
    assert (step.products, step.memory, step.work) == (5.0, 16.0, 2.0 + 3 * 5.0)
    assert step.waits == step.hides == 17.0


def test_an_all_reduce_goes_twice_around_all_rings_of_the_torus():
    # 2 * 63/64 * 32 GB over six links of 10 GB/s each way, and 2 hops along each of three sides, there and back
    assert roofline.seconds(GRADIENTS, CHIP, MESH, TORUS) == pytest.approx(63 / 60 + 2 * 6e-6)
    gathered = dataclasses.replace(GRADIENTS, kind="all-gather")
    assert roofline.seconds(gathered, CHIP, MESH, TORUS) == pytest.approx(31.5 / 60 + 6e-6)


def test_groups_of_one_side_have_its_links_only_and_lines_half_of_them():
    mesh = {"slice": 1, "data": 16, "fsdp": 1, "sequence": 1, "tensor": 4}
    tensor = Collective(kind="all-reduce", axes=("tensor",), ways=4, bytes=8_000_000_000)
    assert roofline.seconds(tensor, CHIP, mesh, TORUS) == pytest.approx(12 / 20 + 4e-6)
    line = roofline.Slice(shape=(2, 2, 2), rings=(False,) * 3)
    pair = dataclasses.replace(tensor, ways=2)
    assert roofline.seconds(pair, CHIP, mesh | {"tensor": 2}, line) == pytest.approx(8 / 10 + 2e-6)


def test_between_slices_each_chip_sends_its_part():
    mesh = MESH | {"slice": 2}
    both = dataclasses.replace(GRADIENTS, axes=("slice", "data"), ways=128)
    within = roofline.seconds(GRADIENTS, CHIP, MESH, TORUS)
    across = 2 * 0.5 * 0.5e9 / 1e9 + 2 * roofline.NETWORK_HOP  # 32 GB / 64 chips, half of it sent twice
    assert roofline.seconds(both, CHIP, mesh, TORUS) == pytest.approx(within + across)


def test_gradients_hide_under_two_thirds_of_the_work_and_activations_never():
    mesh = {"slice": 1, "data": 16, "fsdp": 1, "sequence": 1, "tensor": 4}
    tensor = Collective(kind="all-reduce", axes=("tensor",), ways=4, bytes=8_000_000_000)
    gradients = dataclasses.replace(GRADIENTS, ways=16)
    told = [roofline.seconds(c, CHIP, mesh, TORUS) for c in (gradients, tensor)]
    short = roofline.step([Work(flops=30, bytes=0)], [gradients, tensor], CHIP, mesh, TORUS)
    long = roofline.step([Work(flops=900, bytes=0)], [gradients, tensor], CHIP, mesh, TORUS)
    assert short.exposed == pytest.approx(told[1] + told[0] - 0.2)
    assert long.exposed == pytest.approx(told[1])
    assert long.collectives == pytest.approx(sum(told))


def test_gradients_meet_along_time_too_and_activations_between_its_parts_are_waited_for():
    mesh = {"slice": 1, "data": 16, "fsdp": 1, "sequence": 4, "tensor": 1}
    gathered = Collective(kind="all-gather", axes=("sequence",), ways=4, bytes=8_000_000_000)
    gradients = dataclasses.replace(GRADIENTS, axes=("data", "sequence"))
    long = roofline.step([Work(flops=900, bytes=0)], [gradients, gathered], CHIP, mesh, TORUS)
    assert long.exposed == pytest.approx(roofline.seconds(gathered, CHIP, mesh, TORUS))
    scaled = roofline.weak_scaling([Work(flops=900, bytes=0)], [gradients, gathered], CHIP, mesh)
    assert [row.chips for row in scaled][:2] == [4, 8]  # a group of four stays whole


def test_weak_scaling_begins_at_one_chip_alone_and_falls_with_gradients_on_their_way():
    work = [Work(flops=1000, bytes=0)]
    found = roofline.weak_scaling(work, [GRADIENTS], CHIP, MESH)
    assert [row.chips for row in found] == [2**k for k in range(12)]
    assert [row.slices for row in found] == [1] * 7 + [2, 4, 8, 16, 32]
    assert found[0].efficiency_waits == 1.0
    sixtyfour, pair = found[6], found[7]
    assert sixtyfour.waits == pytest.approx(10 + roofline.seconds(GRADIENTS, CHIP, MESH, TORUS))
    assert pair.waits > sixtyfour.waits + 0.4  # the network between slices
    assert all(row.efficiency_hides >= row.efficiency_waits for row in found)


def test_parameters_gathered_by_fsdp_stay_within_a_slice_and_gradients_cross():
    mesh = {"slice": 1, "data": 1, "fsdp": 64, "sequence": 1, "tensor": 1}
    gathered = Collective(kind="all-gather", axes=("fsdp",), ways=64, bytes=10**9)
    scattered = dataclasses.replace(gathered, kind="reduce-scatter")
    work = [Work(flops=1000, bytes=0)]
    alone = {kind: roofline.weak_scaling(work, [c], CHIP, mesh) for kind, c in (("in", gathered), ("out", scattered))}
    assert alone["in"][7].waits == pytest.approx(alone["in"][6].waits)  # 128 chips are two slices
    assert alone["out"][7].waits > alone["out"][6].waits


def test_a_step_of_several_slices_has_its_own_collectives_between_them():
    mesh = {"slice": 2, "data": 1, "fsdp": 64, "sequence": 1, "tensor": 1}
    within = Collective(kind="reduce-scatter", axes=("fsdp",), ways=64, bytes=10**9)
    across = Collective(kind="all-reduce", axes=("slice",), ways=2, bytes=10**9 // 64)
    found = roofline.weak_scaling([Work(flops=1000, bytes=0)], [within, across], CHIP, mesh)
    told = sum(roofline.seconds(c, CHIP, mesh, TORUS) for c in (within, across))
    assert found[7].waits == pytest.approx(10 + told)
    assert found[6].waits == pytest.approx(10 + roofline.seconds(within, CHIP, mesh, TORUS))
