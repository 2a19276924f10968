"""What was measured of one video: a value for each frame where there is one, a figure for the clip, and by what."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np

from jaxtalk.errors import InputError
from jaxtalk.io import output
from jaxtalk.metrics.fid import Moments
from jaxtalk.systems.eval_columns import BY_NAME


@dataclasses.dataclass(kw_only=True)
class Evaluation:
    """Figures of a clip by the names of `eval_columns`."""

    name: str
    fps: float
    frames: int
    values: dict[str, float] = dataclasses.field(default_factory=dict)  # the clip's figures
    series: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)  # [frames]; not a number where unknown
    moments: dict[str, tuple[Moments, Moments]] = dataclasses.field(default_factory=dict)  # result's and truth's
    networks: dict[str, str] = dataclasses.field(default_factory=dict)  # label of the network of a figure
    notes: list[str] = dataclasses.field(default_factory=list)

    def to_json(self) -> dict:
        """All but the moments; what is no finite number is written as text."""
        return {
            "name": self.name,
            "fps": self.fps,
            "frames": self.frames,
            "values": {name: _plain(value) for name, value in self.values.items()},
            "networks": self.networks,
            "notes": self.notes,
            "series": {name: [_plain(v) for v in values] for name, values in self.series.items()},
        }


def frame_mean(values: np.ndarray) -> float:
    """Mean over the frames that have a value; not a number if none has."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def save(path: Path, evaluation: Evaluation) -> None:
    """Writes `path` (.npz), from which `load` makes the evaluation again."""
    arrays = {f"series/{name}": values for name, values in evaluation.series.items()}
    for name, (ours, theirs) in evaluation.moments.items():
        for side, moments in (("result", ours), ("truth", theirs)):
            arrays |= {f"moments/{name}/{side}/{field}": value for field, value in moments._asdict().items()}
    about = evaluation.to_json() | {"series": None}
    with output.atomic(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, about=np.array(json.dumps(about)), **arrays)


def load(path: Path) -> Evaluation:
    """Reads what `save` wrote; InputError if it is something else."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as z:
            arrays = dict(z)
        about = json.loads(str(arrays.pop("about")))
        series, moments = {}, {}
        for key, value in arrays.items():
            kind, name, *rest = key.split("/")
            if kind == "series":
                series[name] = value
            else:
                moments.setdefault(name, {}).setdefault(rest[0], {})[rest[1]] = value
        values = {name: float(value) for name, value in about["values"].items()}
        pairs = {name: (Moments(**sides["result"]), Moments(**sides["truth"])) for name, sides in moments.items()}
        fields = {name: about[name] for name in ("name", "fps", "frames", "networks", "notes")}
        return Evaluation(**fields, values=values, series=series, moments=pairs)
    except Exception as error:  # whatever a damaged archive makes numpy, zipfile or json raise
        raise InputError(f"{path}: is no evaluation written by jaxtalk ({error}); delete it and run again") from error


def _plain(value) -> float | str:
    """JSON has no infinity: `inf`, `-inf` and `nan` are text."""
    return float(value) if math.isfinite(value) else str(float(value))


def formatted(name: str, value: float) -> str:
    """A figure with the digits of its column; a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:.{BY_NAME[name].digits}f}"
