"""`jaxtalk bench` on a toy: every part of a run is timed, and the lines say on what."""

import dataclasses
import html.parser
import json
import time

import jax
import pytest
import toy_job

from jaxtalk.errors import InputError
from jaxtalk.systems import bench, bench_options, bench_page
from jaxtalk.systems.bench import ConfigOptions
from jaxtalk.systems.bench_options import BenchOptions, ReportOptions
from jaxtalk.train import bench as train_bench
from jaxtalk.train import measure, peak
from jaxtalk.train.mesh import MeshShape

WAIT = 0.1  # seconds that the loader takes for a batch


def experiment(**changes):
    toy = toy_job.experiment(toy_job.Job(folder="unused", steps=4), [])

    def data():
        for batch in toy.data():
            time.sleep(WAIT)
            yield batch

    return dataclasses.replace(toy, data=data, **changes)


def lines(names, toy, **options) -> dict[str, dict]:
    told = bench.run(names, toy, ConfigOptions(rounds=2, round_seconds=0.1, **options), "as asked")
    return {line["benchmark"]: line for line in map(json.loads, told)}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    names = list(bench_options.TRAINING)
    found = lines(names, experiment(), mesh=MeshShape(fsdp=8), folder=folder, output=folder / "run.jsonl")
    assert [path.name for path in folder.iterdir()] == ["run.jsonl"]  # checkpoints are gone
    return found, folder / "run.jsonl"


def test_every_part_is_timed(told):
    found, path = told
    checkpoints = {f"checkpoint_{part}" for part in ("blocking", "saved", "restored")}
    assert found.keys() == {"loader", "step", "end_to_end"} | checkpoints
    assert [json.loads(line) for line in path.read_text().splitlines()] == list(found.values())
    for line in found.values():
        assert (
            0 < line["best_s"] <= line["median_s"]
            and line["mesh"] == "slice 1 x data 1 x fsdp 8 x sequence 1 x tensor 1"
        )
        assert line["environment"]["devices"] == 8 and line["environment"]["jax"] == jax.__version__
        assert (line["config"], line["command"]) == ("toy", "jaxtalk bench as asked")
    for name in ("loader", "step", "end_to_end"):
        assert found[name]["examples_per_s"] == pytest.approx(16 / found[name]["median_s"])
    assert found["step"]["compile_s"] > found["step"]["median_s"] and found["step"]["program_gb"] > 0
    assert found["checkpoint_blocking"]["median_s"] < found["checkpoint_saved"]["median_s"]


def test_a_slow_loader_is_told_from_a_fast_step(told):
    found, _ = told
    assert found["loader"]["best_s"] > WAIT > found["step"]["best_s"]
    assert found["end_to_end"]["best_s"] > WAIT and found["end_to_end"]["data_wait"] > 0.5


def test_a_step_needs_no_data_where_the_batch_is_stated():
    shapes = {"x": jax.ShapeDtypeStruct((16, 8), "float32"), "y": jax.ShapeDtypeStruct((16,), "float32")}
    toy = dataclasses.replace(experiment(), batch=shapes, flops=5e9, data=lambda: pytest.fail("asks for data"))
    (line,) = lines(["step"], toy).values()
    assert line["gflop"] == 5 and line["counted_by"] == "config" and line["rows"] == 16 and "mfu" not in line


def test_rounds_last_as_long_as_they_shall(monkeypatch):
    now, asked = [0.0], []
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def call(count):
        now[0] += 10 if not asked else 2 * count  # the first compiles
        asked.append(count)

    taken, count = train_bench.repeated(call, rounds=3, seconds=9.0)
    assert count == 5 and asked == [1, 1, 5, 5, 5]
    figures = measure.figures(taken)
    assert figures["median_s"] == figures["best_s"] == 2 and figures["spread"] == 0  # of one, not of a round


def test_peaks_of_devices():
    assert peak.flops("TPU v5 lite") == 197e12 and peak.flops("cpu") is None
    assert peak.flops("NVIDIA H100 80GB HBM3") == 989e12 and peak.flops("NVIDIA H100 PCIe") == 756e12
    assert peak.flops("NVIDIA A100-SXM4-80GB") == 312e12 and peak.flops("NVIDIA L40S") == 362e12
    assert peak.flops("NVIDIA L400") is None


class Balance(html.parser.HTMLParser):
    """Text of a page, and how many elements that must be closed are open."""

    def __init__(self):
        super().__init__()
        self.text, self.open = "", 0

    def handle_starttag(self, tag, attributes):
        self.open += tag in ("svg", "table", "html", "h2", "p", "text")

    def handle_endtag(self, tag):
        self.open -= tag in ("svg", "table", "html", "h2", "p", "text")

    def handle_data(self, data):
        self.text += data + "|"


def test_a_page_compares_runs_and_says_where_they_differ(told, tmp_path):
    found, path = told
    other = [line | {"median_s": 2 * line["median_s"]} for line in found.values()]
    other = [line | {"environment": line["environment"] | {"device": "<fast>"}} for line in other]
    (tmp_path / "later.jsonl").write_text("\n".join(map(json.dumps, other)))
    page = bench_page.run(ReportOptions(runs=(path, tmp_path / "later.jsonl"), output=tmp_path / "page.html"))
    text = page.read_text()
    parsed = Balance()
    parsed.feed(text)
    assert parsed.open == 0 and text.count("<svg") == len(found)
    assert parsed.text.count("2.000") == len(found) and "device|cpu|<fast>" in parsed.text.replace("\n", "")
    times = found["loader"]["examples_per_s"] / found["step"]["examples_per_s"]
    assert f"run: the loader of toy alone gives {times:.2g} times what its step takes." in parsed.text
    assert "The same in all" in parsed.text and f"jax {jax.__version__}" in parsed.text
    assert f"{100 * found['end_to_end']['data_wait']:.1f}%" in parsed.text


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["stepp", "--config", "hubert"], "no benchmark 'stepp'; there are loader, step"),
        (["inference", "step"], "step: is timed on a config; give --config NAME"),
    ],
)
def test_names_that_cannot_be_timed_are_told(arguments, message):
    with pytest.raises(InputError, match=message):
        bench_options.split(arguments)


def test_arguments_are_names_a_config_and_others():
    given = ["step", "--steps", "4", "--config", "hubert", "-o", "x"]
    assert bench_options.split(given) == (["step"], "hubert", ["--steps", "4", "-o", "x"])
    assert bench_options.split(["--config=hubert"]) == (list(bench_options.TRAINING), "hubert", [])
    assert bench_options.split([]) == (["inference"], None, [])


@pytest.mark.parametrize(
    "content", ['{"benchmark": "step"}', "not json", "[1]", '{"benchmark": "step", "median_s": "x"}']
)
def test_files_of_something_else_are_told(content, tmp_path, told):
    path = tmp_path / "broken.jsonl"
    path.write_text(told[1].read_text() + content)
    with pytest.raises(InputError, match=r"broken\.jsonl: line 7 is none that jaxtalk bench wrote"):
        bench_page.run(ReportOptions(runs=(path,), output=tmp_path / "page.html"))
    assert not (tmp_path / "page.html").exists()
    path.write_text("")
    with pytest.raises(InputError, match="is empty"):
        bench_page.read(path)
    with pytest.raises(InputError, match="cannot be read"):
        bench_page.read(tmp_path / "none.jsonl")


def test_an_output_that_cannot_be_written_is_told_before_any_work(tmp_path):
    options = ConfigOptions(output=tmp_path / "no" / "run.jsonl")
    with pytest.raises(InputError, match="cannot be written"):
        next(bench.run(["loader"], dataclasses.replace(experiment(), data=lambda: pytest.fail("works")), options, ""))
    with pytest.raises(InputError, match="--rounds must be 1 or more"):
        next(bench.run(["inference"], None, BenchOptions(rounds=0), ""))


@pytest.mark.slow
def test_shipped_networks_listen_and_draw():
    told = bench.run(["inference"], None, BenchOptions(rounds=2, round_seconds=0.0, side=64), "")
    listening, drawing = map(json.loads, told)
    assert listening["times_real_time"] > 0 and listening["first_s"] >= listening["best_s"]
    assert drawing["frames_per_s"] == pytest.approx(drawing["frames"] / drawing["median_s"])
