"""A test set: several systems on the same clips, one after the other, into one table.

Each clip's figures are kept in the folder as soon as they are known, so that a run that was stopped goes on where it
was; memory does not grow with the number of clips.
"""

import dataclasses
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from jaxtalk.errors import InputError
from jaxtalk.io import output, video
from jaxtalk.systems import eval_motion, eval_networks, eval_page, eval_result, eval_table, evaluate
from jaxtalk.systems.eval_columns import TRUTH, choose
from jaxtalk.systems.eval_result import Evaluation
from jaxtalk.systems.eval_watch import Region

log = logging.getLogger("jaxtalk")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clip:
    """What all systems are asked for."""

    name: str
    truth: Path | None = None  # the filmed video
    speech: Path | None = None  # instead of the result's own sound


System = Callable[[Clip, Path], Path | None]
"""Gives the video of a clip, made in the folder or found elsewhere; None if the system has nothing to do with it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TestSet:
    """The rows of the table are `systems`; ablations are systems too."""

    __test__ = False  # not for pytest

    name: str
    clips: tuple[Clip, ...]
    systems: Mapping[str, System]
    metrics: tuple[str, ...] = ()  # all that can be measured, if empty
    region: Region = "frame"
    networks: Path | None = None  # folder of published networks


class Failure(NamedTuple):
    system: str
    clip: str
    reason: str


def run(test_set: TestSet | eval_motion.MotionSet, folder: Path) -> str:
    """Measures everything and writes table.txt, .csv, .tex, results.json and index.html; returns the table.

    A `MotionSet` has motions for videos and is measured by `eval_motion.run`.

    A clip that cannot be made or measured is left out of its system's means, and the table says so.

    Raises:
        InputError: there is nothing to measure, or `folder` holds another evaluation.
    """
    if isinstance(test_set, eval_motion.MotionSet):
        return eval_motion.run(test_set, folder)
    if not (test_set.clips and test_set.systems):
        raise InputError(f"{test_set.name}: has no clips, or no systems, to measure")
    networks = eval_networks.load(test_set.networks)
    choose(test_set.metrics, TRUTH | {"sound"}, networks)  # so that a wrong name is found before any work
    _claim(folder, test_set, networks)
    rows, made, failures = [], [], []
    with tqdm(total=len(test_set.systems) * len(test_set.clips), unit="clip", desc=test_set.name) as bar:
        for system, source in test_set.systems.items():
            own = []
            for clip in test_set.clips:
                bar.set_postfix_str(f"{system}, {clip.name}")
                try:
                    own += _measured(test_set, system, source, clip, folder, networks)
                except InputError as error:
                    log.warning("%s, %s: left out: %s", system, clip.name, error)
                    failures.append(Failure(system, clip.name, str(error)))
                bar.update()
            if own:
                rows.append(eval_table.row(system, own))
                made += [(system, evaluation) for evaluation in own]
    return _write(test_set, folder, rows, made, failures)


def _measured(test_set, system, source, clip, folder, networks) -> list[Evaluation]:
    """The evaluation of one clip, from the folder if it is there; none if the system has no video of it."""
    kept = folder / system / f"{clip.name}.npz"
    if kept.is_file():
        return [eval_result.load(kept)]
    kept.parent.mkdir(parents=True, exist_ok=True)
    result = source(clip, kept.parent)
    if result is None:
        return []
    heard = clip.speech or (result if video.probe(result).has_sound else None)
    given = {name for name, there in (("truth", clip.truth), ("sound", heard)) if there is not None}
    possible = choose(("all",) if test_set.metrics else (), given, networks)
    columns = tuple(c for c in possible if not test_set.metrics or c.name in test_set.metrics)
    made = evaluate.clip(clip.name, result, clip.truth, heard, columns, networks, test_set.region, progress=False)
    eval_result.save(kept, made)
    return [made]


def _claim(folder: Path, test_set: TestSet, networks: eval_networks.Networks) -> None:
    """Notes in the folder what its figures are made by; figures of other networks or metrics are not mixed in."""
    about = {
        "name": test_set.name,
        "metrics": list(test_set.metrics),
        "region": test_set.region,
        "networks": {name: networks.label(name) for name in networks},
    }
    note = folder / "evaluation.json"
    if note.is_file():
        if json.loads(note.read_text()) != about:
            raise InputError(f"{folder}: holds another evaluation (other metrics or networks); give another --folder")
        return
    folder.mkdir(parents=True, exist_ok=True)
    with output.atomic(note) as temporary:
        temporary.write_text(json.dumps(about, indent=1))


def _write(test_set, folder, rows, made, failures) -> str:
    missing = [f"left out: {f.system}, {f.clip}: {f.reason}" for f in failures]
    notes = evaluate.remarks([evaluation for _, evaluation in made]) + missing
    table = "\n".join([eval_table.text(rows), *notes]) if rows else "\n".join(["nothing was measured", *missing])
    results = [{"system": system} | e.to_json() | {"series": None} for system, e in made]
    about = {"name": test_set.name, "results": results, "left_out": [f._asdict() for f in failures]}
    page = [eval_page.table(rows), *eval_page.remarks(notes)]
    for clip in test_set.clips:
        own = [eval_table.row(system, [e]) for system, e in made if e.name == clip.name]
        page += [f"<h2>{clip.name}</h2>", eval_page.table(own)] if own else []
    for name, text in {
        "table.txt": table + "\n",
        "table.csv": eval_table.as_csv(rows),
        "table.tex": eval_table.latex(rows),
        "results.json": json.dumps(about, indent=1) + "\n",
        "index.html": eval_page.page(test_set.name, page),
    }.items():
        with output.atomic(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return table
