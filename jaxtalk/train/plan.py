"""`jaxtalk plan`: compiles the train step of a config for TPU slices that are not here, and says what it would need.

    config --shapes of state and batch--> step --lowered for the slice's devices, compiled by libtpu--> program
    program --memory analysis--> bytes of a chip   --text--> work by operation, collectives by axis --roofline--> times

No data is read and nothing is computed. docs/planning.md says what the figures mean.
"""

import dataclasses
import json
import logging
import re
import time

import jax
import numpy as np

from jaxtalk.errors import InputError
from jaxtalk.train import collectives, hlo, parallel, plan_text, roofline, topology, work
from jaxtalk.train import mesh as meshes
from jaxtalk.train.chips import Chip
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.mesh import MeshShape
from jaxtalk.train.plan_options import PlanOptions
from jaxtalk.train.topology import Topology

log = logging.getLogger("jaxtalk")

FULL = 0.9  # of a chip's memory, up to which a step counts as safe


@dataclasses.dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on one chip while a step runs."""

    state: int
    """Parameters, optimiser, averages, and the batch; the new state takes the old one's place."""
    temporary: int
    """Activations kept for gradients, gradients, copies."""
    program: int
    limit: float

    @property
    def total(self) -> int:
        return self.state + self.temporary + self.program

    @property
    def share(self) -> float:
        return self.total / self.limit


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What one compiled step needs."""

    name: str
    topology: Topology
    mesh: dict[str, int]
    rows: int
    """Examples of a batch on all chips."""
    parameters: int
    seconds: float
    """That compiling took."""
    memory: Memory
    flops: int
    """Products of matrices on one chip in a step, as compiled."""
    model_flops: float | None
    """The same as the model needs them, counted on paper."""
    bytes: int
    """To and from one chip's memory."""
    collectives: list[dict]
    """Kind, axes, count, bytes, seconds."""
    step: roofline.Step
    scaling: list[roofline.Scaled]

    @property
    def chip(self) -> Chip:
        return self.topology.chip

    def mfu(self, seconds: float) -> float | None:
        """Model FLOPs utilisation of a step that takes so long."""
        return None if self.model_flops is None else self.model_flops / seconds / self.chip.flops

    @property
    def rate(self) -> float:
        """Examples a second on each chip, were gradients hidden."""
        return self.rows / self.topology.chips / self.step.hides


def run(experiment: Experiment, options: PlanOptions) -> str:
    """Compiles, writes what the options ask for, and returns the text.

    Raises:
        InputError: the config gives no shapes, the slice is unknown, libtpu is missing, or the step does not fit.
    """
    where = topology.parse(options.topology, options.slices)
    if experiment.batch is None:
        raise InputError(f"config {experiment.name}: says no shapes of a batch, so it cannot be planned without data")
    if options.plot:
        from jaxtalk.train import plan_plot  # an extra may be missing: say so before compiling
    shape = dataclasses.replace(options.mesh.otherwise(experiment.mesh), slice=options.slices)
    first = compiled(experiment, where, shape, options.rows, options.quick)
    plans = [first, *tried(experiment, first, options.tries, options.quick)]
    if options.json:
        options.json.write_text(json.dumps([as_json(plan) for plan in plans], indent=1) + "\n")
    if options.plot:
        plan_plot.draw(first, options.plot)
    return "\n".join([plan_text.describe(first), plan_text.compare(plans, guesses(first))])


def compiled(experiment: Experiment, where: Topology, shape: MeshShape, rows: int = 0, quick: bool = False) -> Plan:
    """One plan: `rows` examples on each part of the mesh that splits batches, or the config's batch.

    `quick`: XLA's least effort for fast programs (-1 of -1 to 1).
    """
    grid = meshes.make(shape, topology.devices(where))
    sizes = dict(grid.shape)
    ways = meshes.batch_ways(sizes)
    own = len_of(experiment.batch)
    total = rows * ways or own
    if total % ways:
        raise InputError(
            f"a batch of {total} does not divide among {ways} parts; give --rows (examples for each) or --batch"
        )
    state = jax.eval_shape(experiment.init, jax.random.key(experiment.seed))
    batch = {k: jax.ShapeDtypeStruct((total, *v.shape[1:]), v.dtype) for k, v in experiment.batch.items()}
    log.info("compiling %s for %s: %s", experiment.name, where, MeshShape(**sizes))
    begun = time.perf_counter()
    lowered = parallel.compile_step(experiment.step, state, grid, experiment.rules).lower(state, batch)
    try:
        executable = lowered.compile({"exec_time_optimization_effort": -1.0} if quick else None)
    except Exception as error:  # jaxlib's own kind of error
        raise _too_large(error) from None
    took = time.perf_counter() - begun
    memory = _memory(executable.memory_analysis(), where.chip)
    return understood(experiment, where, sizes, total, executable.as_text(), memory, took)


def understood(
    experiment: Experiment, where: Topology, mesh: dict[str, int], rows: int, text: str, memory: Memory, took: float
) -> Plan:
    """The plan that a compiled program's text amounts to."""
    program, chip = hlo.parse(text), where.chip
    found, spoken = work.read(program), collectives.read(program, mesh)
    neighbours = roofline.Slice(shape=where.shape, rings=where.rings)
    state = jax.eval_shape(experiment.init, jax.random.key(experiment.seed))
    share = rows / len_of(experiment.batch) / where.chips
    return Plan(
        name=experiment.name,
        topology=where,
        mesh=mesh,
        rows=rows,
        parameters=_parameters(state),
        seconds=took,
        memory=memory,
        flops=sum(w.times * w.flops for w in found),
        model_flops=None if experiment.flops is None else experiment.flops * share,
        bytes=sum(w.times * w.bytes for w in found),
        collectives=collectives.summary(spoken, lambda c: roofline.seconds(c, chip, mesh, neighbours)),
        step=roofline.step(found, spoken, chip, mesh, neighbours),
        scaling=roofline.weak_scaling(found, spoken, chip, mesh),
    )


def guesses(plan: Plan) -> list[tuple[MeshShape, int]]:
    """Meshes and rows that are worth a try after `plan`, the most promising first.

    Activations grow with the rows, the state shrinks with fsdp; the largest batch that fits so makes most of each
    gradient's way. Whole parameters on every chip need least talk, so fsdp comes in only where they do not fit. Time
    and matrices stay split as they are.
    """
    sizes = plan.mesh
    chips = plan.topology.chips // sizes["slice"] // sizes["sequence"] // sizes["tensor"]
    asked = MeshShape(**sizes | {"data": 0})
    here = plan.rows // meshes.batch_ways(sizes)
    whole = plan.memory.state * sizes["fsdp"]
    found = []
    for fsdp in (1, 4, 16, 64, chips):
        if chips % fsdp:
            continue
        for rows in (4 * here, 2 * here, here, here // 2, here // 4):
            needed = whole / fsdp + plan.memory.temporary * rows / here + plan.memory.program
            if rows and needed < FULL * plan.memory.limit:
                found.append((dataclasses.replace(asked, fsdp=fsdp), rows))
                break
    found = [guess for guess in dict.fromkeys(found) if guess != (asked, here)]
    return sorted(found, key=lambda guess: (-guess[1], guess[0].fsdp))


def tried(experiment: Experiment, first: Plan, tries: int, quick: bool = False) -> list[Plan]:
    """Plans of the first guesses; those that do not fit are left out."""
    found = []
    for shape, rows in guesses(first)[:tries]:
        try:
            found.append(compiled(experiment, first.topology, shape, rows, quick))
        except InputError as error:
            log.warning("%s, %d rows: %s", shape, rows, error)
    return found


def as_json(plan: Plan) -> dict:
    """All figures."""
    values = dataclasses.asdict(plan) | {"topology": str(plan.topology), "chips": plan.topology.chips}
    values["memory"]["share"] = plan.memory.share
    values["step"] |= {"waits": plan.step.waits, "hides": plan.step.hides}
    values["chip"] = dataclasses.asdict(plan.chip)
    values["mfu"] = {"waits": plan.mfu(plan.step.waits), "hides": plan.mfu(plan.step.hides)}
    return values


def len_of(batch: dict[str, jax.ShapeDtypeStruct]) -> int:
    return next(iter(batch.values())).shape[0]


def _parameters(state) -> int:
    """Of all networks in a state."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    named = lambda path: any("params" in (getattr(part, "name", ""), getattr(part, "key", "")) for part in path)  # noqa: E731
    return sum(int(np.prod(leaf.shape)) for path, leaf in leaves if named(path))


def _memory(stats, chip: Chip) -> Memory:
    state = stats.argument_size_in_bytes + stats.output_size_in_bytes - stats.alias_size_in_bytes
    return Memory(
        state=state,
        temporary=stats.temp_size_in_bytes,
        program=stats.generated_code_size_in_bytes,
        limit=chip.memory,
    )


def _too_large(error: Exception) -> Exception:
    """One line for what does not fit; any other error as it is."""
    text = str(error)
    match = re.search(r"Used ([\d.]+\w) of ([\d.]+\w) hbm", text)
    match = match or re.search(r"\(([\d.]+\w)\) exceeds available HBM \(([\d.]+\w)\)", text)
    if not match:
        return error
    return InputError(
        f"a step needs {match[1]} of {match[2]} on each chip; give fewer --rows, a larger --mesh.fsdp, or --remat"
    )
