"""A plan as text that says what its figures mean."""

from jaxtalk.train.mesh import MeshShape, batch_ways


def describe(plan) -> str:
    """All of one plan."""
    parts = [_head(plan), _memory(plan), _work(plan), _collectives(plan), _step(plan), _scaling(plan)]
    return "\n\n".join(parts)


def compare(plans: list, guesses: list[tuple[MeshShape, int]]) -> str:
    """What to try next, or what was tried, the best first."""
    if len(plans) == 1:
        if not guesses:
            return "\nNo other mesh or batch looks better on paper."
        shape, rows = guesses[0]
        return (
            f"\nWorth a try: --rows {rows} --mesh.fsdp {shape.fsdp}, which would fit by this plan's memory. More rows"
            "\nmean more work for the same gradients. --tries N compiles N such meshes and batches and compares them."
        )
    lines = ["", "Meshes and batches that were compiled, by examples a second on each chip, the best first:"]
    for plan in sorted(plans, key=lambda plan: -plan.rate):
        rows = plan.rows // batch_ways(plan.mesh)
        lines.append(
            f"  {MeshShape(**plan.mesh)}, --rows {rows}: {plan.rate:.1f}, step {plan.step.hides * 1e3:.1f} ms,"
            f" memory {plan.memory.share:.0%}"
        )
    return "\n".join(lines)


def _head(plan) -> str:
    ways = batch_ways(plan.mesh)
    return "\n".join(
        [
            f"{plan.name} on {plan.topology}: {plan.topology.chips} chips as {MeshShape(**plan.mesh)}",
            f"{plan.parameters / 1e6:.1f} million parameters; {plan.rows} examples a step, {plan.rows // ways} on each"
            f" of {ways} parts of the mesh",
            f"compiled ahead of time in {plan.seconds:.0f} s; nothing below has run on a chip",
        ]
    )


def _memory(plan) -> str:
    memory = plan.memory
    rows = [
        (memory.state, "state and batch: parameters, optimiser, averages; the new state takes the old one's place"),
        (memory.temporary, "while it runs: what the gradient needs of each layer, gradients, copies"),
        (memory.program, "the program itself"),
    ]
    lines = [f"  {size / 1e9:8.2f} GB  {what}" for size, what in rows]
    full = f"  {memory.total / 1e9:8.2f} GB  of {memory.limit / 1e9:.1f}: {memory.share:.0%}"
    return "\n".join(["Memory of a chip, as the compiler laid it out", *lines, full])


def _work(plan) -> str:
    step, chip = plan.step, plan.chip
    products = f"{plan.flops / 1e12:8.3f} TFLOP  {step.products * 1e3:7.1f} ms at {chip.flops / 1e12:.0f} TFLOP/s"
    memory = f"{plan.bytes / 1e9:8.1f} GB     {step.memory * 1e3:7.1f} ms at {chip.bandwidth / 1e9:.0f} GB/s"
    lines = [
        "Work of a chip in a step",
        f"  products of matrices  {products}",
        f"  memory traffic        {memory}",
        f"  each operation as fast as the slower of the two allows: {step.work * 1e3:.1f} ms",
    ]
    if plan.model_flops:
        more = plan.flops / plan.model_flops - 1
        lines.append(
            f"  the model needs {plan.model_flops / 1e12:.3f} TFLOP, counted on paper: the program has {more:+.1%}"
            " (remat, padding, parts that several chips repeat)"
        )
    return "\n".join(lines)


def _collectives(plan) -> str:
    if not plan.collectives:
        return "Collectives: none"
    lines = [
        "Collectives of a step: what chips say to each other",
        "  kind                along            count        MB        ms  begun early",
    ]
    for row in plan.collectives:
        early = row["begun_early"] / row["bytes"] if row["bytes"] else 0
        lines.append(
            f"  {row['kind']:<19} {'+'.join(row['axes']):<14} {row['count']:7d} {row['bytes'] / 1e6:9.1f}"
            f" {row['seconds'] * 1e3:9.2f}  {early:.0%}"
        )
    return "\n".join(lines)


def _step(plan) -> str:
    step = plan.step
    lines = ["Step, predicted"]
    for name, seconds in (("gradients hidden under the backward pass", step.hides), ("nothing hidden", step.waits)):
        mfu = plan.mfu(seconds)
        used = "" if mfu is None else f", {mfu:.0%} of the chips' peak (MFU)"
        lines.append(f"  {seconds * 1e3:7.1f} ms, {plan.rows / seconds:,.0f} examples a second{used}: {name}")
    return "\n".join(lines)


def _scaling(plan) -> str:
    lines = [
        "Weak scaling: the same work on each chip; examples a second of a chip beside those of one chip alone",
        "  chips   slices   hidden   not hidden",
    ]
    for row in plan.scaling:
        lines.append(f"  {row.chips:5d}   {row.slices:6d}   {row.efficiency_hides:6.1%}   {row.efficiency_waits:10.1%}")
    return "\n".join(lines)
