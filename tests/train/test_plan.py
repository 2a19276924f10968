"""Plans of a small step: for eight simulated devices in the place of chips, and for TPUs where libtpu is installed."""

import dataclasses
import importlib.util
import json

import jax
import jax.numpy as jnp
import pytest

from jaxtalk.errors import InputError
from jaxtalk.train import plan, topology
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.mesh import MeshShape
from jaxtalk.train.plan_options import PlanOptions

ROWS, WIDTH = 64, 128


def step(state, batch):
    gradient = jax.grad(lambda w: (jnp.tanh(batch["x"] @ w["params"]["w"]) ** 2).mean())(state)
    return jax.tree.map(lambda p, g: p - g, state, gradient), {}


EXPERIMENT = Experiment(
    name="toy",
    init=lambda rng: {"params": {"w": jax.random.normal(rng, (WIDTH, WIDTH))}},
    step=step,
    data=lambda: pytest.fail("planning reads no data"),
    steps=1,
    batch={"x": jax.ShapeDtypeStruct((ROWS, WIDTH), jnp.float32)},
    flops=2.0 * 2 * ROWS * WIDTH**2,  # forward and for the kernel
)


@pytest.fixture
def simulated(monkeypatch):
    monkeypatch.setattr(topology, "devices", lambda where: jax.devices()[: where.chips])


def test_a_plan_tells_memory_work_and_collectives_of_one_chip(simulated):
    found = plan.compiled(EXPERIMENT, topology.parse("v5e:2x4"), MeshShape())
    assert (found.rows, found.mesh["data"], found.parameters) == (ROWS, 8, WIDTH**2)
    assert found.flops == found.model_flops == EXPERIMENT.flops / 8
    assert found.memory.state == 4 * (WIDTH**2 + ROWS * WIDTH // 8)
    assert [(row["kind"], row["axes"], row["bytes"]) for row in found.collectives] == [
        ("all-reduce", ["data"], 4 * WIDTH**2)
    ]
    assert found.mfu(found.step.waits) == pytest.approx(found.step.products / found.step.waits)


def test_fsdp_leaves_each_chip_its_part_of_the_state(simulated):
    found = plan.compiled(EXPERIMENT, topology.parse("v5e:2x4"), MeshShape(fsdp=8), rows=16)
    assert found.rows == 128
    assert found.memory.state == 4 * (WIDTH**2 // 8 + 16 * WIDTH)


def test_rows_and_guesses_keep_within_memory(simulated):
    found = plan.compiled(EXPERIMENT, topology.parse("v5e:2x4"), MeshShape())
    shape, rows = plan.guesses(found)[0]
    assert (shape.fsdp, rows) == (1, 32)  # four times as many as now, on each of eight
    tight = dataclasses.replace(found.memory, state=10, temporary=80, program=0, limit=100.0)
    (shape, rows), *_ = plan.guesses(dataclasses.replace(found, memory=tight))
    assert (shape.fsdp, rows) == (4, 8)  # 10 / 4 + 80 is under 90; 10 + 80 was not
    with pytest.raises(InputError, match="--rows"):
        odd = dataclasses.replace(EXPERIMENT, batch={"x": jax.ShapeDtypeStruct((12, WIDTH), jnp.float32)})
        plan.compiled(odd, topology.parse("v5e:2x4"), MeshShape())


def test_the_text_teaches_and_json_and_plot_are_written(simulated, tmp_path):
    pytest.importorskip("matplotlib")
    options = PlanOptions(topology="v5e:2x4", json=tmp_path / "plan.json", plot=tmp_path / "plan.png", tries=1)
    text = plan.run(EXPERIMENT, options)
    assert all(word in text for word in ("Memory of a chip", "all-reduce", "MFU", "Weak scaling", "the best first"))
    first, other = json.loads(options.json.read_text())
    assert first["chips"] == 8 and first["scaling"][-1]["chips"] == 2048
    assert other["rows"] == 4 * first["rows"]
    assert options.plot.read_bytes().startswith(b"\x89PNG")


def test_a_config_without_shapes_is_refused(simulated):
    with pytest.raises(InputError, match="shapes"):
        plan.run(dataclasses.replace(EXPERIMENT, batch=None), PlanOptions(topology="v5e:2x4"))


def test_what_does_not_fit_is_one_line():
    error = RuntimeError("RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm. Used 100.50G of 15.75G hbm. ...")
    assert "100.50G of 15.75G" in str(plan._too_large(error))


@pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="needs the extra tpu")
@pytest.mark.parametrize(("text", "slices", "shape"), [("v5e:2x2", 1, MeshShape()), ("v5e:2x2", 2, MeshShape(fsdp=4))])
def test_libtpu_compiles_the_step_for_chips_that_are_not_here(text, slices, shape):
    shape = dataclasses.replace(shape, slice=slices)
    found = plan.compiled(EXPERIMENT, topology.parse(text, slices), shape, rows=16)
    assert found.flops == pytest.approx(found.model_flops, rel=0.03)
    axes = {axis for row in found.collectives for axis in row["axes"]}
    assert axes == ({"data"} if slices == 1 else {"slice", "fsdp"})
    assert 0 < found.memory.share < 0.1


@pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="needs the extra tpu")
def test_libtpu_says_what_does_not_fit():
    huge = {"x": jax.ShapeDtypeStruct((2**26, WIDTH), jnp.float32)}
    with pytest.raises(InputError, match="of 15.75G"):
        plan.compiled(dataclasses.replace(EXPERIMENT, batch=huge), topology.parse("v5e:1x1"), MeshShape())
