"""`jaxtalk eval`: one video against the truth, a batch of frames at a time, and what is written of it."""

import json
import logging
from pathlib import Path

from tqdm import tqdm

from jaxtalk.audio import load as sound
from jaxtalk.io import output, video
from jaxtalk.systems import eval_networks, eval_page, eval_sync, eval_table, eval_watch
from jaxtalk.systems.eval_columns import BY_NAME, Column, choose
from jaxtalk.systems.eval_faces import Faces
from jaxtalk.systems.eval_options import EvalOptions
from jaxtalk.systems.eval_pictures import Pictures
from jaxtalk.systems.eval_result import Evaluation

log = logging.getLogger("jaxtalk")


def run(options: EvalOptions) -> str:
    """Measures, writes the files asked for, and returns the table as text.

    Raises:
        InputError: a file cannot be read or written, or a metric lacks what it needs.
    """
    for path, suffix in (
        (options.output_json, ".json"),
        (options.output_csv, ".csv"),
        (options.output_html, ".html"),
    ):
        if path is not None:
            output.check(path, (suffix,))
    networks = eval_networks.load(options.networks)
    heard = options.speech or _own_sound(options.result)
    columns = choose(options.metrics, _given(options.truth, heard), networks)
    made = clip(options.result.stem, options.result, options.truth, heard, columns, networks, options.region)
    rows = [eval_table.row(made.name, [made])]
    if options.output_json is not None:
        _write(options.output_json, json.dumps(made.to_json(), indent=1) + "\n")
    if options.output_csv is not None:
        _write(options.output_csv, eval_table.as_csv(rows))
    if options.output_html is not None:
        page = eval_page.clip_page(made, options.result, options.truth)
        _write(options.output_html, page)
    return "\n".join([eval_table.text(rows), *remarks([made])])


def _given(truth: Path | None, heard: Path | None) -> set[str]:
    return {name for name, there in (("truth", truth), ("sound", heard)) if there is not None}


def _own_sound(path: Path) -> Path | None:
    return path if video.probe(path).has_sound else None


def _write(path: Path, text: str) -> None:
    with output.atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def clip(
    name: str,
    result: Path,
    truth: Path | None,
    heard: Path | None,
    columns: tuple[Column, ...],
    networks: eval_networks.Networks,
    region: eval_watch.Region = "frame",
    progress: bool = True,
) -> Evaluation:
    """All figures of one video, in memory that grows by some kilobytes a frame.

    Raises:
        InputError: a file cannot be read, or the two videos show different parts of a picture.
    """
    wanted = {column.name for column in columns}
    info = video.probe(result)
    wave = None if heard is None else sound.load(heard, eval_sync.RATE)
    made = Evaluation(name=name, fps=info.fps, frames=0)
    made.networks = {c.name: networks.label(c.network) for c in columns if c.network}
    watchers = [Pictures(wanted, networks), Faces(wanted, networks)]
    with tqdm(total=info.frames, unit="frame", desc=name, disable=not progress, leave=False) as bar:
        for batch in eval_watch.batches(result, truth, region):
            for watcher in watchers:
                watcher.see(batch)
            made.frames += batch.count
            bar.update(batch.count)
    for watcher in watchers:
        watcher.finish(made, wave)
    if wave is not None:
        _in_sync(made, wanted, networks, result, watchers[1].landmarks(), wave)
    _compare_lengths(made, truth)
    for figures in (made.values, made.series, made.moments):
        kept = {n: figures[n] for n in BY_NAME if n in figures and n in wanted}  # in the order of the table
        figures.clear()
        figures.update(kept)
    return made


def _in_sync(made: Evaluation, wanted: set[str], networks, result: Path, landmarks, wave) -> None:
    """Figures of sound and lips."""
    names = ("sync_d", "sync_c", "sync_offset")
    if wanted & set(names):
        eval_sync.add(made, eval_sync.ours(landmarks, made.fps, wave), names)
    names = ("lse_d", "lse_c", "av_offset")
    if wanted & {*names, "sync_score"}:
        sync, score = eval_sync.published(networks, wanted, result, landmarks, made.fps, wave)
        if wanted & set(names):
            eval_sync.add(made, sync, names)
        if score is not None:
            made.values["sync_score"] = score


def _compare_lengths(made: Evaluation, truth: Path | None) -> None:
    if truth is not None:
        theirs = video.probe(truth).seconds
        if abs(made.frames / made.fps - theirs) > 0.2:
            made.notes.append(f"compared {made.frames / made.fps:.2f} s; the truth has {theirs:.2f} s")


def remarks(evaluations: list[Evaluation]) -> list[str]:
    """Which network made which figure, and what else a reader of the table must know."""
    labels: dict[str, list[str]] = {}
    for evaluation in evaluations:
        for name, label in evaluation.networks.items():
            if name in evaluation.values and name not in labels.setdefault(label, []):
                labels[label].append(name)
    lines = [f"{', '.join(names)}: by {label}" for label, names in labels.items() if names]
    return lines + [f"{e.name}: {note}" for e in evaluations for note in e.notes]
