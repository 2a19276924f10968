"""The corpus by a pipeline: the same records as without, stopped anywhere. Beam itself runs where it is installed."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jaxtalk.data import corpus, corpus_on_beam, on_beam
from jaxtalk.data.corpus_options import CorpusOptions
from jaxtalk.errors import InputError

CLIPS = 12


def in_turn(blocks, work, set_aside, finish, options, tries=1):
    """What `on_beam.run` does, without Beam and in this process."""
    for key, items in blocks.items():
        for item in items:
            work(item)
        finish(key)


def write(directory, **options):
    corpus.write(CorpusOptions(**{"directory": directory, "clips": CLIPS, "seed": 5, "workers": 1} | options))


@pytest.fixture
def pipeline(monkeypatch):
    monkeypatch.setattr(on_beam, "check", lambda: None)
    monkeypatch.setattr(on_beam, "run", in_turn)
    monkeypatch.setattr(corpus, "BLOCK", 6)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    directory = tmp_path_factory.mktemp("corpus") / "plain"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "BLOCK", 6)
        write(directory)
    return directory


def files(directory):
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def contents(directory):
    """Every byte of every field of every record, in the order of the records."""
    found = []
    for split in ("train", "validation"):  # there are too few clips for one to test
        source = corpus.read(directory, split)
        records = [source[i] for i in range(len(source))]
        found += [{k: v if isinstance(v, bytes) else np.asarray(v).tobytes() for k, v in r.items()} for r in records]
    return found


def test_the_pipeline_makes_the_same_bytes(whole, tmp_path, pipeline):
    write(tmp_path / "beam", beam=True)
    assert files(tmp_path / "beam") == files(whole)


def test_stopped_anywhere_either_command_ends_with_the_same_bytes(whole, tmp_path, pipeline, monkeypatch):
    """After clips of the first block and between its records and its name; the command without Beam finishes."""
    make, fill, made = corpus_on_beam.make, corpus.write_block, []

    def stopping(stage, seed, frames, index):
        make(stage, seed, frames, index)
        made.append(index)
        if len(made) in (3, 12):
            raise KeyboardInterrupt

    def half(path, *rest):
        fill(path, *rest)
        if made.count(None) == 0:
            made.append(None)
            raise KeyboardInterrupt

    monkeypatch.setattr(corpus_on_beam, "make", stopping)
    monkeypatch.setattr(corpus, "write_block", half)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "beam", beam=True)
        with pytest.raises(InputError, match="blocks are missing"):
            corpus.read(tmp_path / "beam")
    write(tmp_path / "beam")
    assert files(tmp_path / "beam") == files(whole)


def test_what_is_staged_is_not_made_again(tmp_path, pipeline, monkeypatch):
    corpus_on_beam.make(tmp_path, 5, 0, 3)
    monkeypatch.setattr(corpus_on_beam.clip, "example", lambda *_: pytest.fail("made again"))
    corpus_on_beam.make(tmp_path, 5, 0, 3)


def test_a_clip_that_cannot_be_made_is_named_and_left_out(whole, tmp_path, pipeline, monkeypatch):
    make = corpus_on_beam.make
    stage = tmp_path / "beam" / "stage"

    def fragile(folder, seed, frames, index):
        if index == 4:
            return corpus_on_beam.set_aside(stage, 4, "its process was ended by SIGSEGV")
        make(folder, seed, frames, index)

    monkeypatch.setattr(corpus_on_beam, "make", fragile)
    write(tmp_path / "beam", beam=True)
    text = (tmp_path / "beam" / "set_aside.csv").read_text()
    assert text == "index,reason\n4,its process was ended by SIGSEGV\n"
    kept = [record for record in contents(whole) if record["index"] != np.int64(4).tobytes()]
    assert contents(tmp_path / "beam") == kept and len(kept) == CLIPS - 1


def test_missing_beam_is_said_in_one_line_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(InputError, match=r"jaxtalk\[beam\]"):
        write(tmp_path / "new", beam=True)
    assert not (tmp_path / "new").exists()


BEAM = pytest.mark.skipif(importlib.util.find_spec("apache_beam") is None, reason="needs Apache Beam (extra beam)")


@BEAM
def test_killed_with_two_workers_it_goes_on_and_ends_with_the_same_records(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "BLOCK", 6)
    code = (
        "import pathlib, sys\nfrom jaxtalk.data import corpus, corpus_options\ncorpus.BLOCK = 6\n"
        f"made = {{'clips': {CLIPS}, 'seed': 5, 'directory': pathlib.Path(sys.argv[1])}}\n"
        "beam = {'beam': True, 'beam_options': '--runner=DirectRunner --direct_num_workers=2'}\n"
        "if __name__ == '__main__':\n    corpus.write(corpus_options.CorpusOptions(**made, **beam))\n"
    )
    (tmp_path / "run.py").write_text(code)
    directory = tmp_path / "beam"
    command = [sys.executable, str(tmp_path / "run.py"), str(directory)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while len(list(directory.glob("stage/*.npz"))) < 4 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert list(directory.glob("stage/*.npz"))
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert contents(directory) == contents(whole) and not (directory / "stage").exists()


def _end(path: str) -> None:
    """Ends its process the first time, or always for a path that says so."""
    with open(path, "a") as file:
        file.write("x")
    if path.endswith("always") or os.path.getsize(path) == 1:
        os.kill(os.getpid(), signal.SIGKILL)


@BEAM
def test_an_item_that_ends_its_process_is_tried_again_and_then_set_aside(tmp_path):
    code = (
        "import functools, pathlib, sys\nfrom jaxtalk.data import on_beam\nimport test_corpus_on_beam\n"
        "def note(folder, item, why):\n    (folder / 'aside').open('a').write(f'{item[-6:]}: {why}')\n"
        "def done(folder, key):\n    (folder / f'done{key}').touch()\n"
        "if __name__ == '__main__':\n    folder = pathlib.Path(sys.argv[1])\n"
        "    blocks = {0: [str(folder / 'once'), str(folder / 'always')]}\n"
        "    on_beam.run(blocks, test_corpus_on_beam._end, functools.partial(note, folder), "
        "functools.partial(done, folder), on_beam.OPTIONS, tries=2)\n"
    )
    (tmp_path / "run.py").write_text(code)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    subprocess.run([sys.executable, str(tmp_path / "run.py"), str(tmp_path)], check=True, env=environment)
    assert (tmp_path / "aside").read_text() == "always: its process was ended by SIGKILL"
    assert (tmp_path / "once").read_text() == "xx" and (tmp_path / "always").read_text() == "xx"
    assert (tmp_path / "done0").exists()
