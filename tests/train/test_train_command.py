"""`jaxtalk train` from the command line, with what every run can be told."""

import json

import pytest
import tiny_configs

from jaxtalk import cli

CONFIG = '''
import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, {folder!r})
import toy_job


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Trains nothing of use."""

    steps: int = 4

    def experiment(self):
        return toy_job.experiment(toy_job.Job(folder="unused", steps=self.steps), [])
'''


@pytest.fixture
def config(tmp_path, request):
    path = tmp_path / "toy.py"
    path.write_text(CONFIG.format(folder=str(request.path.parent)))
    return str(path)


def test_fields_of_the_config_and_options_of_the_run_are_flags(config, tmp_path):
    cli.main(
        ["train", config, "--steps", "12", "--folder", str(tmp_path / "run"), "--mesh.fsdp", "2", "--profile", "1"]
    )
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["kind"] == "train"] == list(range(1, 13))
    assert {"seconds_per_step", "examples_per_second", "data_wait", "goodput"} <= set(lines[0])
    assert list((tmp_path / "run" / "profile").rglob("*.xplane.pb"))


def test_a_mesh_that_does_not_fit_is_one_line_and_status_2(config, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["train", config, "--folder", str(tmp_path / "run"), "--mesh.fsdp", "3"])
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "needs 6 devices, there are 8" in line


def test_help_tells_of_both(config, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["train", config, "--help"])
    told = capsys.readouterr().out
    assert stopped.value.code == 0 and "--steps" in told and "--mesh.tensor" in told and "--folder" in told


@pytest.mark.parametrize("name", tiny_configs.NAMES)
def test_every_config_has_flags_for_all_its_fields(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["train", name, "--help"])
    told = capsys.readouterr().out
    assert stopped.value.code == 0 and "--steps" in told and "--mesh.tensor" in told
