"""A plan as a picture: where the time of a step goes, and weak scaling."""

from pathlib import Path

from jaxtalk.errors import InputError

try:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot
except ImportError:
    raise InputError('--plot needs matplotlib: pip install "jaxtalk[plot]"') from None


def draw(plan, path: Path) -> None:
    """Writes the picture in the format that the file's name says."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    step = plan.step
    bars = {
        "products at peak": step.products,
        "memory traffic": step.memory,
        "work, slower of both": step.work,
        "collectives": step.collectives,
        "step": step.hides,
    }
    left.barh(list(bars)[::-1], [1e3 * seconds for seconds in bars.values()][::-1], color="#4477aa")
    left.set_xlabel("ms on a chip, predicted")
    left.set_title(f"{plan.name} on {plan.topology}, {plan.rows} examples", fontsize=10)
    chips = [row.chips for row in plan.scaling]
    right.plot(chips, [100 * row.efficiency_hides for row in plan.scaling], "o-", color="#4477aa", label="hidden")
    waits = [100 * row.efficiency_waits for row in plan.scaling]
    right.plot(chips, waits, "s--", color="#cc6677", label="nothing hidden")
    right.axhline(95, color="grey", linewidth=0.8, linestyle=":")
    right.set_xscale("log", base=2)
    right.set_ylim(min(80, *waits) - 2, 101)
    right.set_xlabel("chips, the same work on each")
    right.set_ylabel("% of one chip's examples a second")
    right.set_title("weak scaling, predicted", fontsize=10)
    right.legend(frameon=False)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
