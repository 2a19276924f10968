"""An evaluation as one HTML file that needs nothing else: the table, plots over time, the worst frames side by side."""

import base64
import html
import itertools
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from jaxtalk.io import image, video
from jaxtalk.systems import eval_table
from jaxtalk.systems.eval_columns import BY_NAME, Column
from jaxtalk.systems.eval_result import Evaluation, formatted

_WIDTH, _HEIGHT, _EDGE = 640, 120, 34  # pixels of a plot, and of its margin
_SIDE = 280  # pixels: longer side of a frame on the page
_WORST = 3  # frames shown for each metric
_APART = 0.4  # seconds between worst frames: neighbours show the same

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; } td, th { padding: .15rem .8rem; text-align: right; border-bottom: 1px solid #ddd; }
td:first-child, th:first-child { text-align: left; } .best { font-weight: 600; }
figure { display: inline-block; margin: .4rem; } figure img { display: inline-block; margin-right: 4px; }
figcaption, .note { color: #555; font-size: .9rem; } svg { display: block; max-width: 100%; }
"""


def clip_page(evaluation: Evaluation, result: Path, truth: Path | None) -> str:
    """Figures of one clip, each over time where it has values frame by frame, with the worst of them shown."""
    labels = [f"{BY_NAME[name].title}: by {label}" for name, label in evaluation.networks.items()]
    parts = [table([eval_table.row(evaluation.name, [evaluation])]), *remarks([*labels, *evaluation.notes])]
    worst = {name: _worst(BY_NAME[name], values, evaluation.fps) for name, values in evaluation.series.items()}
    pictures = _pictures(result, truth, evaluation.fps, set(itertools.chain(*worst.values())))
    for name, values in evaluation.series.items():
        column = BY_NAME[name]
        parts.append(f"<h2>{html.escape(column.head)}</h2>")
        parts.append(plot(values, evaluation.fps))
        for frame in worst[name]:
            caption = f"{frame / evaluation.fps:.2f} s: {formatted(name, float(values[frame]))}"
            parts.append(f"<figure>{pictures.get(frame, '')}<figcaption>{caption}</figcaption></figure>")
    return page(evaluation.name, parts)


def page(title: str, parts: Iterable[str]) -> str:
    """A whole HTML document."""
    title = html.escape(title)
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return "\n".join([head, f"<h1>{title}</h1>", *parts, "</html>"]) + "\n"


def table(rows: Sequence[eval_table.Row]) -> str:
    """Systems as rows, as papers print them; the best of each column in bold."""
    columns = eval_table.columns(rows)
    best = [eval_table.best(rows, column) for column in columns]
    lines = ["<tr><th>" + "".join(f"<th>{html.escape(c.head)}" for c in columns)]
    for i, row in enumerate(rows):
        cells = []
        for column, winners in zip(columns, best, strict=True):
            cell = row.cells.get(column.name, eval_table.Cell(math.nan)).text(column.name)
            cells.append(f'<td class="best">{cell}' if i in winners else f"<td>{cell}")
        lines.append(f"<tr><td>{html.escape(row.name)}" + "".join(cells))
    return "<table>" + "\n".join(lines) + "</table>"


def remarks(notes: Iterable[str]) -> list[str]:
    """What a reader must know beside the figures."""
    return [f'<p class="note">{html.escape(note)}</p>' for note in notes]


def plot(values: Float[np.ndarray, "t"], fps: float) -> str:
    """Values over seconds as SVG; gaps where there is none, and infinite values at the upper edge."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    spread = (high - low) or 1.0
    across = _EDGE + np.arange(len(values)) / max(len(values) - 1, 1) * (_WIDTH - _EDGE - 4)
    up = _HEIGHT - 16 - (np.clip(np.nan_to_num(values, posinf=high), low, high) - low) / spread * (_HEIGHT - 24)
    lines = []
    for known, run in itertools.groupby(range(len(values)), key=lambda i: not math.isnan(values[i])):
        if known:
            points = " ".join(f"{across[i]:.1f},{up[i]:.1f}" for i in run)
            lines.append(f'<polyline points="{points}" fill="none" stroke="#1565c0" stroke-width="1.5"/>')
    text = (
        f'<text x="0" y="14">{high:.3g}</text><text x="0" y="{_HEIGHT - 16}">{low:.3g}</text>'
        f'<text x="{_EDGE}" y="{_HEIGHT - 2}">0 s</text>'
        f'<text x="{_WIDTH - 4}" y="{_HEIGHT - 2}" text-anchor="end">{len(values) / fps:.1f} s</text>'
    )
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" font-size="11" fill="#555"'
    return f"<svg {box}>{''.join(lines)}{text}</svg>"


def _worst(column: Column, values: Float[np.ndarray, "t"], fps: float) -> list[int]:
    """The frames with the poorest values, some way apart from each other."""
    if not column.better:
        return []
    order = np.argsort(values if column.better == "higher" else -values, kind="stable")
    chosen: list[int] = []
    for frame in order:
        if math.isfinite(values[frame]) and all(abs(frame - other) >= _APART * fps for other in chosen):
            chosen.append(int(frame))
        if len(chosen) == _WORST:
            break
    return chosen


def _pictures(result: Path, truth: Path | None, fps: float, wanted: set[int]) -> dict[int, str]:
    """The result's and the truth's frames at these places, as images in HTML; read once more, one at a time."""
    shown: dict[int, str] = {}
    sources = [video.frames(result, fps=fps)] + ([video.frames(truth, fps=fps)] if truth is not None else [])
    for source in sources:
        for place, frame in enumerate(itertools.islice(source, max(wanted, default=-1) + 1)):
            if place in wanted:
                shown[place] = shown.get(place, "") + _image(frame)
    return shown


def _image(frame: UInt8[np.ndarray, "h w 3"]) -> str:
    picture = Image.fromarray(frame)
    picture.thumbnail((_SIDE, _SIDE))
    data = base64.b64encode(image.jpeg(np.asarray(picture), 85)).decode()
    return f'<img alt="" width="{picture.width}" height="{picture.height}" src="data:image/jpeg;base64,{data}">'
