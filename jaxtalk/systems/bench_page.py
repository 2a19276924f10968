"""Runs of `jaxtalk bench` beside each other on one HTML page that needs nothing else."""

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtalk.errors import InputError
from jaxtalk.io import output
from jaxtalk.systems.bench_options import ReportOptions
from jaxtalk.systems.eval_page import page, remarks

Line = dict[str, Any]
Run = dict[str, Line]  # what was timed -> its line

_WIDTH, _BAR, _EDGE = 640, 18, 200  # pixels of a plot, of a bar's row, of the names beside it
# What is told of a line beside its time, where it is there: heading, and how it is printed.
COLUMNS = {
    "examples_per_s": ("examples/s", "{:.4g}"),
    "examples_per_s_and_core": ("examples/s and core", "{:.4g}"),
    "frames_per_s": ("frames/s", "{:.4g}"),
    "times_real_time": ("times real time", "{:.3g}"),
    "mb_per_s": ("MB/s", "{:.4g}"),
    "data_wait": ("data wait", "{:.1%}"),
    "mfu": ("MFU", "{:.1%}"),
    "of_matmul": ("of matrix products", "{:.1%}"),
    "compile_s": ("compilation, s", "{:.3g}"),
    "cpu_s": ("CPU, s", "{:.4g}"),
    "program_gb": ("needed, GB", "{:.3g}"),
    "peak_gb": ("peak, GB", "{:.3g}"),
}


def run(options: ReportOptions) -> Path:
    """Writes the page; returns where.

    Raises:
        InputError: a file cannot be read, or holds something else than lines of `jaxtalk bench`.
    """
    if not options.runs:
        raise InputError("--report: give at least one file that jaxtalk bench -o wrote")
    runs = {name: read(path) for name, path in zip(_names(options.runs), options.runs, strict=True)}
    target = output.check(options.output, (".html",))
    with output.atomic(target) as draft:
        draft.write_text(report(runs))
    return target


def read(path: Path) -> Run:
    """The lines of one run; of two with the same name the later one counts."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'no text'})") from error
    found: Run = {}
    for number, text in enumerate(lines, start=1):
        try:
            line = json.loads(text)
            name = f"{line['benchmark']}, {line['config']}" if "config" in line else line["benchmark"]
            found[name] = line | {key: float(line[key]) for key in ("median_s", "best_s", "spread")}
            found[name]["environment"].items()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: line {number} is none that jaxtalk bench wrote") from error
    if not found:
        raise InputError(f"{path}: is empty; write it with jaxtalk bench -o {path}")
    return found


def report(runs: dict[str, Run]) -> str:
    """The page: every benchmark with a bar and a row for each run, then how the runs differ."""
    names = dict.fromkeys(name for each in runs.values() for name in each)
    parts = remarks(["Bars are medians, lines reach from the fastest to the slowest round; shorter is faster."])
    for name in names:
        lines = {label: each[name] for label, each in runs.items() if name in each}
        parts += [f"<h2>{html.escape(name)}</h2>", bars(lines), table(lines)]
    return page("Benchmarks", [*parts, *supply(runs), "<h2>Where</h2>", *places(runs)])


def supply(runs: dict[str, Run]) -> list[str]:
    """Whether loaders keep up: what they give alone, over what steps alone take."""
    notes = []
    for label, each in runs.items():
        for name, line in each.items():
            part, _, config = name.partition(", ")
            step = each.get(f"step, {config}")
            if part == "loader" and step:
                times = line["examples_per_s"] / step["examples_per_s"]
                notes.append(f"{label}: the loader of {config} alone gives {times:.2g} times what its step takes.")
    return remarks(notes)


def bars(lines: dict[str, Line]) -> str:
    """One bar for each run, as SVG."""
    longest = max(_slowest(line) for line in lines.values())
    across = (_WIDTH - _EDGE - 10) / longest
    drawn = []
    for i, (label, line) in enumerate(lines.items()):
        top, middle = i * _BAR, i * _BAR + _BAR / 2
        best, median, slowest = (_EDGE + across * s for s in (line["best_s"], line["median_s"], _slowest(line)))
        drawn.append(
            f'<text x="0" y="{middle + 4}">{html.escape(label)}</text>'
            f'<rect x="{_EDGE}" y="{top + 3}" width="{median - _EDGE:.1f}" height="{_BAR - 6}" fill="#90caf9"/>'
            f'<path d="M{best:.1f} {middle}H{slowest:.1f}" stroke="#0d47a1" stroke-width="2"/>'
        )
    height = _BAR * len(lines)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" font-size="12">{"".join(drawn)}</svg>'
    )


def table(lines: dict[str, Line]) -> str:
    """Figures of each run, and its median as a multiple of the first run's."""
    shown = [key for key in COLUMNS if any(isinstance(line.get(key), int | float) for line in lines.values())]
    heads = ["", "median, s", "spread", *(COLUMNS[key][0] for key in shown), "times the first"]
    first = next(iter(lines.values()))["median_s"]
    rows = [
        [label, f"{line['median_s']:.4g}", f"{line['spread']:.0%}"]
        + [COLUMNS[key][1].format(line[key]) if isinstance(line.get(key), int | float) else "–" for key in shown]
        + [f"{line['median_s'] / first:.3f}"]
        for label, line in lines.items()
    ]
    return _table([heads, *rows])


def places(runs: dict[str, Run]) -> list[str]:
    """What differs between the runs beside their times, and what does not."""
    about = {label: _about(each) for label, each in runs.items()}
    keys = dict.fromkeys(key for each in about.values() for key in each)
    other = [key for key in keys if len({each.get(key) for each in about.values()}) > 1]
    parts = []
    if other:
        parts.append(
            _table([["", *about], *([key, *(each.get(key, "–") for each in about.values())] for key in other)])
        )
    either = next(iter(about.values()))
    same = [f"{key} {value}" for key, value in either.items() if key not in other and value]
    return parts + remarks([f"The same in all: {', '.join(same)}."] if same else [])


def _about(run: Run) -> dict[str, str]:
    """All that a run's lines say of where and how; where lines differ, all of it."""
    found: dict[str, dict[str, None]] = {}
    for line in run.values():
        given = {key: line[key] for key in ("command", "mesh") if key in line}
        for key, value in {**line["environment"], **given}.items():
            found.setdefault(key, {})[str(value)] = None
    return {key: ", ".join(values) for key, values in found.items()}


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = ([html.escape(cell) for cell in row] for row in rows)
    lines = ["<tr><th>" + "<th>".join(head), *("<tr><td>" + "<td>".join(row) for row in rest)]
    return "<table>" + "\n".join(lines) + "</table>"


def _slowest(line: Line) -> float:
    return line["best_s"] + line["spread"] * line["median_s"]


def _names(paths: Sequence[Path]) -> list[str]:
    """File names without their ends, or whole paths where two are the same."""
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else [f"{i}: {path}" for i, path in enumerate(paths, start=1)]
