"""Tables of evaluations: means, standard errors, Fréchet distances of whole sets, and what is marked best."""

import csv
import io
import math

import numpy as np
import pytest

from jaxtalk.errors import InputError
from jaxtalk.metrics.fid import Frechet, Moments
from jaxtalk.systems import eval_columns, eval_result, eval_table
from jaxtalk.systems.eval_result import Evaluation


def clip(**values):
    return Evaluation(name="clip", fps=25.0, frames=3, values=values)


def test_row_gives_mean_and_standard_error_over_clips():
    values = [0.5, 0.7, 0.9, 0.6]
    cell = eval_table.row("ours", [clip(ssim=v) for v in values]).cells["ssim"]
    assert cell.mean == pytest.approx(np.mean(values))
    assert cell.error == pytest.approx(np.std(values, ddof=1) / 2)


def test_clips_without_a_figure_do_not_count():
    row = eval_table.row("ours", [clip(ssim=0.5), clip(ssim=math.nan), clip()])
    assert row.cells["ssim"].mean == 0.5 and math.isnan(row.cells["ssim"].error) and row.clips == 3


def test_frechet_distance_of_a_set_is_that_of_all_its_frames():
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(size=(2, 40, 3)), rng.normal(1.0, 2.0, size=(2, 40, 3))
    clips = []
    for a, b in zip(ours, theirs, strict=True):
        made = clip(face_fid=0.0)
        made.moments["face_fid"] = Moments.of(a), Moments.of(b)
        clips.append(made)
    whole = Frechet.of(ours.reshape(-1, 3), theirs.reshape(-1, 3)).value()
    cell = eval_table.row("ours", clips).cells["face_fid"]
    assert cell.mean == pytest.approx(whole, rel=1e-9) and math.isnan(cell.error)


def test_text_stars_the_best_in_its_own_direction_and_nothing_where_there_is_none():
    rows = [
        eval_table.row("ours", [clip(ssim=0.9, lmd=3.0, blink_rate=20.0)]),
        eval_table.row("theirs", [clip(ssim=0.8, lmd=2.0, blink_rate=2.0)]),
    ]
    ssim, lmd, blinks = eval_table.text(rows).splitlines()[1:]
    assert "0.900*" in ssim and "0.800*" not in ssim
    assert "2.00*" in lmd and "3.00*" not in lmd
    assert "*" not in blinks


def test_csv_holds_full_numbers_and_leaves_unknown_ones_empty():
    rows = [eval_table.row("a,b", [clip(ssim=1 / 3)]), eval_table.row("none", [clip(psnr=math.inf)])]
    read = list(csv.DictReader(io.StringIO(eval_table.as_csv(rows))))
    assert float(read[0]["ssim"]) == 1 / 3 and read[0]["ssim_error"] == "" and read[0]["name"] == "a,b"
    assert read[1]["ssim"] == "" and float(read[1]["psnr"]) == math.inf


def test_latex_escapes_names_and_sets_the_best_in_bold():
    rows = [eval_table.row("our_system", [clip(ssim=0.9)]), eval_table.row("theirs", [clip(ssim=0.8)])]
    made = eval_table.latex(rows)
    assert r"our\_system & \textbf{0.900} \\" in made and r"theirs & 0.800 \\" in made
    assert made.count("&") == 3 and made.startswith(r"\begin{tabular}{lc}")


def test_evaluation_is_read_back_as_it_was_saved(tmp_path):
    made = Evaluation(name="a", fps=25.0, frames=2, values={"psnr": math.inf, "ssim": 0.25})
    made.series["ssim"] = np.array([0.5, math.nan])
    made.moments["face_fid"] = Moments.of(np.eye(3)), Moments.of(np.ones((2, 3)))
    made.networks["face_fid"], made.notes = "face 123", ["one face was lost"]
    eval_result.save(tmp_path / "a.npz", made)
    read = eval_result.load(tmp_path / "a.npz")
    assert read.to_json() == made.to_json()
    for a, b in zip(read.moments["face_fid"], made.moments["face_fid"], strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)


def test_damaged_evaluation_is_refused_in_one_line(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(InputError, match=r"a\.npz: is no evaluation"):
        eval_result.load(tmp_path / "a.npz")


def test_columns_that_lack_something_are_left_out_unless_asked_for():
    names = {c.name for c in eval_columns.choose((), {"sound"}, {"lip_sync"})}
    assert "sync_c" in names and not names & {"psnr", "lse_c", "flicker", "face_csim"}
    with pytest.raises(InputError, match="psnr: needs --truth"):
        eval_columns.choose(("psnr",), (), ())
    with pytest.raises(InputError, match="lse_c: needs the network syncnet"):
        eval_columns.choose(("lse_c",), {"sound"}, ())
    with pytest.raises(InputError, match="no such metric"):
        eval_columns.choose(("psmr",), {"truth"}, ())
