"""A test set of motions instead of videos: rows are systems that move a face as clips of the corpus do, into one table.

Lips and face are compared by the landmarks of the built-in face in millimetres: nothing is drawn, no tracker errs.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxtalk.audio import mel, onsets, speech_windows
from jaxtalk.data import clip, lip_clips
from jaxtalk.errors import InputError
from jaxtalk.face import face_points
from jaxtalk.face.landmarks import lip_opening
from jaxtalk.face.motion import Motion
from jaxtalk.io import output
from jaxtalk.metrics import head_motion, landmark_distance, lip_correlation
from jaxtalk.metrics import lip_sync as sync_metrics
from jaxtalk.systems import lip_sync

COLUMNS = {
    "lips": "lip error mm ↓",
    "face": "face error mm ↓",
    "lip_correlation": "lip correlation ↑",
    "sync_d": "sync distance (ours) ↓",
    "sync_c": "sync confidence (ours) ↑",
    "turning": "head turning rad",
    "beats": "beat alignment",
    "beats_of_motion": "over motion's beats",
}
System = Callable[[Any], Any]
"""The motion for a record of the corpus; without coefficients if it moves the head alone, still if the face alone.
Or whatever else `MotionSet.measure` takes, for whatever its records are."""


def of_corpus(made: Motion, true: Motion, record: dict) -> dict[str, float]:
    """`figures` of a record of the corpus."""
    return figures(made, true, np.asarray(record["speech"], np.float32) / 32768)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MotionSet:
    """Rows are `truth` and `systems`. All records of the corpus have the same number of frames."""

    name: str
    records: Sequence[Any]
    truth: System
    systems: Mapping[str, System]
    measure: Callable[[Any, Any, Any], dict[str, float]] = of_corpus  # of what is made, what is true, and the record
    columns: Mapping[str, str] = dataclasses.field(default_factory=lambda: COLUMNS)  # what is measured, and its title


def run(motion_set: MotionSet, folder: Path) -> str:
    """Measures everything, writes table.txt and results.json, and returns the table (Markdown).

    Raises:
        InputError: there is nothing to measure.
    """
    if not (motion_set.records and motion_set.systems):
        raise InputError(f"{motion_set.name}: has no clips, or no systems, to measure")
    rows = {"truth": motion_set.truth, **motion_set.systems}
    results: dict[str, list[dict[str, float]]] = {name: [] for name in rows}
    for record in tqdm(motion_set.records, unit="clip", desc=motion_set.name, disable=None):
        true = motion_set.truth(record)
        for name, system in rows.items():
            results[name].append(motion_set.measure(true if name == "truth" else system(record), true, record))
    table = _table(results, motion_set.columns)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"table.txt": table + "\n", "results.json": json.dumps(results, indent=1) + "\n"}.items():
        with output.atomic(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return table


def figures(made: Motion, true: Motion, wave: np.ndarray) -> dict[str, float]:
    """What can be said of a motion; `wave` is mono at 16 kHz."""
    found = {}
    if made.expression.shape[-1]:
        ours, theirs = (1e3 * face_points.expressed(jnp.asarray(m.expression)) for m in (made, true))
        found["lips"] = float(landmark_distance.landmark_distance(ours, theirs, "mouth").mean())
        found["face"] = float(landmark_distance.landmark_distance(ours, theirs, "face").mean())
        found["lip_correlation"] = float(lip_correlation.correlation(lip_opening(ours), lip_opening(theirs)))
        ahead = np.arange(len(made)) + speech_windows.LEAD * clip.FPS  # as early as LipSyncNet knows people's lips
        lips = lip_clips.between(np.asarray(ours, np.float32)[..., :2], ahead)
        judged = sync_metrics.lip_sync(*map(jnp.asarray, lip_sync.embed(lips, wave)))
        found |= {"sync_d": float(judged.distance), "sync_c": float(judged.confidence)}
    rotation = jnp.asarray(made.rotation)
    if np.asarray(rotation).any():
        heard, beats = onsets.times(jnp.asarray(wave)), head_motion.motion_beats(rotation, float(made.fps))
        found["turning"] = float(head_motion.diversity(rotation))
        found["beats"] = float(head_motion.beat_alignment(heard, beats))
        found["beats_of_motion"] = float(head_motion.beat_alignment(heard, beats, over="motion"))
    return found


def cut(record: dict, frames: int) -> dict:
    """The first frames of a record, with their sound."""
    tracks = {name: np.asarray(record[name])[:frames] for name in ("expression", "rotation", "translation", "blink")}
    return record | tracks | {"speech": np.asarray(record["speech"])[: frames * mel.RATE // clip.FPS]}


def _table(results: dict[str, list[dict[str, float]]], columns: Mapping[str, str]) -> str:
    """Means over clips and their standard errors."""
    lines = ["| |" + "".join(f" {title} |" for title in columns.values()), "|---|" + "---|" * len(columns)]
    for name, clips in results.items():
        cells = [_cell([c[column] for c in clips if column in c]) for column in columns]
        lines.append(f"| {name} |" + "".join(f" {cell} |" for cell in cells))
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    if not values:
        return ""
    error = f" ± {np.std(values, ddof=1) / math.sqrt(len(values)):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{error}"
