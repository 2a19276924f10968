"""A user study: a static page that shows pairs of videos side by side, blind, and what the answers prove.

Each participant sees every pair once, in an order of their own, and which system is left is drawn for each pair. File
names tell nothing: the key (`key.json`) stays beside the page and is not needed to take part. Answers are a CSV that
the page lets the participant save, one line for each pair: participant, pair, question, choice (left, right, same).
"""

import csv
import html
import itertools
import json
import math
import random
import shutil
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from jaxtalk.errors import InputError
from jaxtalk.io import output
from jaxtalk.systems.eval_options import StudyOptions

SUFFIXES = (".mp4", ".webm", ".mov")
CHOICES = ("left", "right", "same")


class Preference(NamedTuple):
    """How often one system was preferred to another; answers `same` count for neither."""

    question: str
    one: str
    other: str
    wins: int
    losses: int
    same: int
    low: float  # 95% confidence interval of the share of wins (Clopper and Pearson, 1934)
    high: float
    p: float  # of a share at least as far from a half if neither were better: two-sided exact binomial test

    @property
    def share(self) -> float:
        decided = self.wins + self.losses
        return self.wins / decided if decided else math.nan


def run(options: StudyOptions) -> str:
    """Makes the page, or tells what the answers say."""
    if not options.answers:
        page = make(options.folders, options.output, options.questions, options.seed)
        return f"{page}\n{page.parent / 'key.json'} says which video is whose: do not publish it"
    if len(options.folders) != 1:
        raise InputError("--answers: give the one folder of the study that they belong to")
    return text(analyse(options.folders[0], options.answers))


def make(folders: Sequence[Path], destination: Path, questions: Sequence[str], seed: int) -> Path:
    """Writes the page for all pairs of systems; a folder is a system, and videos of one name are the same clip.

    Raises:
        InputError: fewer than two folders, folders of one name, no clip in two of them, or `destination` exists.
    """
    if len(folders) < 2 or len({folder.name for folder in folders}) < len(folders):
        raise InputError("--study: give two folders of videos or more, each named as its system")
    if destination.exists():
        raise InputError(f"{destination}: exists already; name a new folder, so that no study is overwritten")
    clips = {folder.name: {f.stem: f for f in _videos(folder)} for folder in folders}
    draw = random.Random(seed)
    pairs = []
    for one, other in itertools.combinations(clips, 2):
        for clip in sorted(clips[one].keys() & clips[other].keys()):
            left, right = draw.sample([one, other], 2)
            pairs.append({"clip": clip, "left": left, "right": right})
    if not pairs:
        raise InputError(f"--study: no video of {folders[0]} has the name of one in another folder")
    draw.shuffle(pairs)
    output.check(destination)
    (destination / "videos").mkdir(parents=True)
    for number, pair in enumerate(pairs):
        for side in ("left", "right"):
            source = clips[pair[side]][pair["clip"]]
            pair[f"{side}_file"] = f"videos/{number:03d}{side[0]}{source.suffix.lower()}"
            shutil.copyfile(source, destination / pair[f"{side}_file"])
    shown = [{"pair": i, "left": p["left_file"], "right": p["right_file"]} for i, p in enumerate(pairs)]
    page = resources.files("jaxtalk.systems").joinpath("eval_study.html").read_text()
    page = page.replace("__PAIRS__", json.dumps(shown)).replace("__QUESTIONS__", _embedded(list(questions)))
    (destination / "key.json").write_text(json.dumps({"pairs": pairs, "questions": list(questions)}, indent=1))
    (destination / "index.html").write_text(page)
    return destination / "index.html"


def _embedded(values: list[str]) -> str:
    """JSON that cannot end the script it stands in."""
    return json.dumps([html.escape(value) for value in values]).replace("<", "\\u003c")


def _videos(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder; --study takes folders of videos")
    return sorted(f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES and not f.name.startswith("."))


def analyse(study: Path, answers: Sequence[Path]) -> list[Preference]:
    """What the answers say, for every question and pair of systems.

    Raises:
        InputError: `study` has no key, a file of answers is not of this study, or a participant answered twice.
    """
    pairs, questions = _key(study)
    counts: dict[tuple[str, str, str], list[int]] = {}
    seen = set()
    for path in answers:
        for line, answer in _answers(path):
            pair, question, choice = answer["pair"], answer["question"], answer["choice"]
            if not (pair.isdigit() and int(pair) < len(pairs)) or question not in questions or choice not in CHOICES:
                raise InputError(f"{path}: line {line} is no answer to {study}; does the file belong to this study?")
            if (answer["participant"], pair, question) in seen:
                raise InputError(f"{path}: line {line} answers pair {pair} again; give each participant's file once")
            seen.add((answer["participant"], pair, question))
            left, right = pairs[int(pair)]["left"], pairs[int(pair)]["right"]
            one, other = sorted((left, right))
            tally = counts.setdefault((question, one, other), [0, 0, 0])
            chosen = {"left": left, "right": right}.get(choice)
            tally[2 if chosen is None else 0 if chosen == one else 1] += 1
    if not counts:
        raise InputError("--answers: no answers in the files; give the CSV files that participants saved")
    return [_preference(*names, *tally) for names, tally in sorted(counts.items())]


def _preference(question: str, one: str, other: str, wins: int, losses: int, same: int) -> Preference:
    from scipy import stats

    if not wins + losses:
        return Preference(question, one, other, wins, losses, same, 0.0, 1.0, 1.0)
    test = stats.binomtest(wins, wins + losses)
    interval = test.proportion_ci(0.95, method="exact")
    return Preference(question, one, other, wins, losses, same, interval.low, interval.high, test.pvalue)


def _key(study: Path) -> tuple[list[dict], list[str]]:
    try:
        key = json.loads((study / "key.json").read_text())
        return key["pairs"], [html.escape(question) for question in key["questions"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{study}: has no readable key.json of `jaxtalk eval --study` ({error})") from error


def _answers(path: Path):
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = {"participant", "pair", "question", "choice"} - set(reader.fieldnames or ())
            if missing:
                raise InputError(f"{path}: is no CSV of answers; it lacks {', '.join(sorted(missing))}")
            for line, answer in enumerate(reader, 2):
                yield line, {name: answer[name] or "" for name in ("participant", "pair", "question", "choice")}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a CSV of answers ({error})") from error


def text(preferences: Sequence[Preference]) -> str:
    """One line for each question and pair of systems."""
    lines = []
    for p in preferences:
        decided, share = p.wins + p.losses, "–" if math.isnan(p.share) else f"{100 * p.share:.0f}%"
        lines.append(
            f"{html.unescape(p.question)}: {p.one} over {p.other} {share} of {decided} "
            f"(95% interval {100 * p.low:.0f} to {100 * p.high:.0f}%, p = {p.p:.2g}; {p.same} saw no difference)"
        )
    return "\n".join(lines)
