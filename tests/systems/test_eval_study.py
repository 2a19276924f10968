"""User studies: blind pages, and what binomial statistics make of the answers."""

import csv
import json

import pytest
from scipy import stats

from jaxtalk.errors import InputError
from jaxtalk.systems import eval_study

QUESTIONS = ('Which "lips" fit the sound better?', "Which looks more real?")


@pytest.fixture
def study(tmp_path):
    for system in ("ours", "theirs", "truth"):
        (tmp_path / system).mkdir()
        for clip in ("anna", "bert", "cleo"):
            (tmp_path / system / f"{clip}.mp4").write_bytes(f"{system} {clip}".encode())
    (tmp_path / "ours" / "only_here.mp4").write_bytes(b"ours only")
    eval_study.make([tmp_path / s for s in ("ours", "theirs", "truth")], tmp_path / "study", QUESTIONS, seed=1)
    return tmp_path / "study"


def _answer(path, participant, choices):
    """`choices` by pair: the system that is preferred, or same."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["participant", "pair", "question", "choice"])
        for pair, choice in choices.items():
            writer.writerow([participant, pair, QUESTIONS[1], choice])


def _sides(study):
    return json.loads((study / "key.json").read_text())["pairs"]


def test_every_pair_of_systems_shares_each_clip_once(study):
    seen = {(p["clip"], frozenset((p["left"], p["right"]))) for p in _sides(study)}
    assert len(_sides(study)) == len(seen) == 9


def test_the_page_does_not_tell_which_system_is_which(study):
    page = (study / "index.html").read_text()
    assert not any(name in page for name in ("ours", "theirs", "anna"))
    for pair in _sides(study):
        assert (study / pair["left_file"]).read_bytes() == f"{pair['left']} {pair['clip']}".encode()
        assert pair["left_file"] in page


def test_sides_are_drawn(study):
    lefts = {p["left"] for p in _sides(study) if {p["left"], p["right"]} == {"ours", "theirs"}}
    firsts = [p["left"] for p in _sides(study)]
    assert len(set(firsts)) > 1 or len(lefts) > 1


def test_shares_and_intervals_are_those_of_the_binomial_distribution(study, tmp_path):
    pairs = _sides(study)
    files = []
    for participant in range(5):
        choices = {}
        for i, p in enumerate(pairs):
            systems = {p["left"], p["right"]}
            if systems == {"ours", "theirs"}:  # ours wins but for one participant's
                favourite = "theirs" if participant == 0 else "ours"
                choices[i] = "left" if p["left"] == favourite else "right"
            elif systems == {"ours", "truth"}:
                choices[i] = "same"
        files.append(tmp_path / f"{participant}.csv")
        _answer(files[-1], f"p{participant}", choices)
    over_theirs, over_truth = eval_study.analyse(study, files)
    assert (over_theirs.one, over_theirs.other) == ("ours", "theirs")
    assert (over_theirs.wins, over_theirs.losses, over_theirs.same) == (12, 3, 0)
    interval = stats.beta.ppf([0.025], 12, 4)[0], stats.beta.ppf([0.975], 13, 3)[0]  # Clopper and Pearson
    assert (over_theirs.low, over_theirs.high) == pytest.approx(interval, abs=1e-6)
    assert over_theirs.p == pytest.approx(2 * stats.binom.sf(11, 15, 0.5))
    assert over_truth.same == 15 and (over_truth.low, over_truth.high, over_truth.p) == (0.0, 1.0, 1.0)
    assert "80% of 15" in eval_study.text([over_theirs])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("participant,pair\na,1\n", "lacks choice, question"),
        (f"participant,pair,question,choice\na,99,{QUESTIONS[1]},left\n", "line 2 is no answer"),
        (f"participant,pair,question,choice\na,1,{QUESTIONS[1]},up\n", "line 2 is no answer"),
        (f"participant,pair,question,choice\na,1,{QUESTIONS[1]},left\na,1,{QUESTIONS[1]},left\n", "line 3 answers"),
        ("participant,pair,question,choice\n", "no answers"),
    ],
)
def test_wrong_answers_are_refused_in_one_line(study, tmp_path, lines, message):
    (tmp_path / "a.csv").write_text(lines)
    with pytest.raises(InputError, match=message) as caught:
        eval_study.analyse(study, [tmp_path / "a.csv"])
    assert "\n" not in str(caught.value)


def test_a_study_is_never_overwritten(study):
    with pytest.raises(InputError, match="exists already"):
        eval_study.make([study.parent / "ours", study.parent / "theirs"], study, QUESTIONS, seed=1)


def test_systems_without_a_common_clip_are_refused(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.mp4").write_bytes(b"")
    with pytest.raises(InputError, match="no video of"):
        eval_study.make([tmp_path / "a", tmp_path / "b"], tmp_path / "study", QUESTIONS, seed=0)
    assert not (tmp_path / "study").exists()
