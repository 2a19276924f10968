"""What `jaxtalk eval` can be told. Imports nothing heavy, so that `--help` answers at once."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvalOptions:
    """Measures a video of a talking face.

    jaxtalk eval result.mp4 --truth filmed.mp4 (against the filmed person)

    jaxtalk eval result.mp4 --speech speech.wav (what needs no truth: sync, sharpness, blinks ...)

    jaxtalk eval result.mp4 --truth filmed.mp4 --html page.html (plots over time, worst frames side by side)

    jaxtalk eval CONFIG [--field value ...] (a test set: systems as rows; CONFIG is eval_* in configs/, or a file.py)

    jaxtalk eval --study OURS THEIRS -o study (page for a blind user study; jaxtalk eval --study --help)

    Figures made with networks of our own bear "(ours)" and cannot be compared with published ones. For those, convert
    the published networks into a folder (jaxtalk convert) and give it with --networks. docs/metrics.md explains each.
    """

    result: tyro.conf.Positional[Path]
    """The video to measure."""
    truth: Path | None = None
    """The filmed video; its frames at the result's times are compared, to the end of the shorter."""
    speech: Path | None = None
    """What is spoken, instead of the result's own sound."""
    metrics: tuple[str, ...] = ()
    """Names of metrics, or all; by default all that can be measured but the slowest (flicker)."""
    region: Literal["frame", "face"] = "frame"
    """frame: whole frames; face: the aligned face of each, where the two videos are framed differently."""
    networks: Path | None = None
    """Folder of published networks, written by jaxtalk convert."""

    output_json: Annotated[Path | None, tyro.conf.arg(name="json")] = None
    """Write all figures, frame by frame too."""
    output_csv: Annotated[Path | None, tyro.conf.arg(name="csv")] = None
    """Write the table."""
    output_html: Annotated[Path | None, tyro.conf.arg(name="html")] = None
    """Write a page with plots over time and the worst frames side by side."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SetOptions:
    """What every test set can be told."""

    folder: Path | None = None
    """For results; runs/NAME if not given."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """Makes a static page for a blind user study of pairs of videos, or says what its answers prove.

    jaxtalk eval --study videos/ours videos/theirs -o study

    jaxtalk eval --study study --answers answers-*.csv
    """

    folders: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of videos, each named as its system; videos of one name are compared. With --answers: the study."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("study")
    """Folder to write. Publish all but its key.json."""
    questions: tuple[str, ...] = (
        "In which video do the lips fit the sound better?",
        "Which video looks more real?",
    )
    """What to ask of each pair."""
    answers: tuple[Path, ...] = ()
    """CSV files that participants saved."""
    seed: int = 0
    """Same seed, same sides and order of pairs."""
