"""Tables of evaluations: rows are videos or systems, columns are metrics; as text, CSV and LaTeX."""

import csv
import functools
import io
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxtalk.metrics.fid import Frechet
from jaxtalk.systems.eval_columns import BY_NAME, Column
from jaxtalk.systems.eval_result import Evaluation, formatted


class Cell(NamedTuple):
    """Mean over clips and its standard error; the error is not a number of a single clip, nor of a set's Fréchet."""

    mean: float
    error: float = math.nan

    def text(self, name: str, plus: str = " ± ") -> str:
        mean = formatted(name, self.mean)
        return mean if math.isnan(self.error) else mean + plus + formatted(name, self.error)


class Row(NamedTuple):
    name: str
    cells: dict[str, Cell]
    clips: int


def row(name: str, evaluations: Sequence[Evaluation]) -> Row:
    """One system over its clips: each clip counts the same; Fréchet distances are those of all frames together."""
    names = [n for n in BY_NAME if any(n in e.values for e in evaluations)]
    cells = {n: _cell([e.values.get(n, math.nan) for e in evaluations]) for n in names}
    for n in names:
        parts = [e.moments[n] for e in evaluations if n in e.moments]
        if parts:
            cells[n] = Cell(functools.reduce(Frechet.merge, (Frechet(*part) for part in parts)).value())
    return Row(name, cells, len(evaluations))


def _cell(values: list[float]) -> Cell:
    known = np.array([v for v in values if not math.isnan(v)])
    if not len(known):
        return Cell(math.nan)
    if not np.isfinite(known).all():  # identical frames have an infinite PSNR, which has no error
        return Cell(float(known.mean()))
    return Cell(float(known.mean()), float(known.std(ddof=1) / math.sqrt(len(known))) if len(known) > 1 else math.nan)


def columns(rows: Sequence[Row]) -> list[Column]:
    """Those of which some row has a figure."""
    return [column for name, column in BY_NAME.items() if any(name in r.cells for r in rows)]


def best(rows: Sequence[Row], column: Column) -> set[int]:
    """Which rows have the best figure."""
    means = [r.cells[column.name].mean if column.name in r.cells else math.nan for r in rows]
    known = [m for m in means if not math.isnan(m)]
    if not column.better or len(known) < 2:
        return set()
    winner = max(known) if column.better == "higher" else min(known)
    return {i for i, m in enumerate(means) if m == winner}


def text(rows: Sequence[Row]) -> str:
    """A table for reading: a few systems stand side by side, metrics below each other; the best is starred."""
    shown = columns(rows)
    lines = [["", *(f"{r.name} ({r.clips})" if r.clips > 1 else r.name for r in rows)]]
    for column in shown:
        winners = best(rows, column)
        cells = [r.cells.get(column.name, Cell(math.nan)).text(column.name) for r in rows]
        lines.append([column.head, *(c + ("*" if i in winners else "") for i, c in enumerate(cells))])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    )


def as_csv(rows: Sequence[Row]) -> str:
    """One line for each row; means and standard errors in columns of their own, empty where there is none."""
    shown = columns(rows)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["name", "clips", *(n for c in shown for n in (c.name, f"{c.name}_error"))])
    for r in rows:
        cells = [r.cells.get(c.name, Cell(math.nan)) for c in shown]
        writer.writerow([r.name, r.clips, *("" if math.isnan(v) else repr(v) for cell in cells for v in cell)])
    return file.getvalue()


def latex(rows: Sequence[Row]) -> str:
    """The body of a booktabs table: systems as rows, the best of each column in bold."""
    shown = columns(rows)
    arrows = {"higher": r"$\uparrow$", "lower": r"$\downarrow$", "": ""}
    heads = [_escaped(c.title) + (f" {arrows[c.better]}" if c.better else "") for c in shown]
    lines = [rf"\begin{{tabular}}{{l{'c' * len(shown)}}}", r"\toprule", " & ".join(["Method", *heads]) + r" \\"]
    lines.append(r"\midrule")
    winners = [best(rows, c) for c in shown]
    for i, r in enumerate(rows):
        cells = [r.cells.get(c.name, Cell(math.nan)).text(c.name, r" $\pm$ ") for c in shown]
        cells = [rf"\textbf{{{cell}}}" if i in won else cell for cell, won in zip(cells, winners, strict=True)]
        lines.append(" & ".join([_escaped(r.name), *(c.replace("–", "--") for c in cells)]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _escaped(name: str) -> str:
    plain = "".join(rf"\{c}" if c in "&%$#_{}" else c for c in name)
    return plain.replace("é", r"\'e").replace("²", "$^2$")
