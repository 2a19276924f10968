import io
import signal
import subprocess
import sys
import time
from pathlib import Path

import grain
import numpy as np
import pytest
from PIL import Image

from jaxtalk.data import articulation, clip, clip_frames, corpus, phonemes, sentences
from jaxtalk.data.corpus_options import CorpusOptions
from jaxtalk.errors import InputError
from jaxtalk.face.arkit import INDEX


def write(directory, clips=21, **options):
    corpus.write(CorpusOptions(**{"directory": directory, "clips": clips, "seed": 5, "workers": 1} | options))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = tmp_path_factory.mktemp("corpus") / "small"
    write(directory)
    return directory


def records(directory, split="train"):
    source = corpus.read(directory, split)
    return sorted((source[i] for i in range(len(source))), key=lambda record: record["index"])


def assert_same(first, second):
    assert len(first) == len(second) > 0
    for a, b in zip(first, second, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


def test_splits_and_fields_come_back(written):
    assert [len(corpus.read(written, split)) for split in corpus.SPLITS] == [19, 1, 1]
    assert [record["index"] for record in records(written)] == [i for i in range(21) if i not in (9, 19)]
    record = records(written, "test")[0]
    made = clip.make(5, 19)
    assert record["text"].decode() == made.text and record["voice"].decode() == made.voice
    assert list(sentences.GRAMMARS)[record["language"]] == made.language
    for name in ("speech", "expression", "rotation", "translation", "blink", "identity", "style"):
        np.testing.assert_array_equal(record[name], getattr(made, name))
    np.testing.assert_array_equal(record["phoneme"], made.phonemes.ids)
    np.testing.assert_allclose(record["phoneme_end"], made.phonemes.end, rtol=1e-6)


def test_sound_frames_and_phonemes_have_the_same_length(written):
    for record in records(written):
        frames = len(record["expression"])
        assert len(record["speech"]) == frames * clip.SAMPLES_PER_FRAME
        assert len(record["rotation"]) == len(record["translation"]) == len(record["blink"]) == frames
        assert record["phoneme_start"][0] == 0
        np.testing.assert_array_equal(record["phoneme_start"][1:], record["phoneme_end"][:-1])
        assert 0 <= frames / clip.FPS - record["phoneme_end"][-1] < 1 / clip.FPS + 1e-4
        assert record["expression"].min() >= 0 and record["expression"].max() <= 1
        assert np.abs(record["speech"]).max() > 100


def test_lips_close_in_the_records_too(written):
    for record in records(written):
        opening = articulation.lip_opening(record["expression"])
        times = np.arange(len(opening)) / clip.FPS
        for place in np.flatnonzero(np.isin(record["phoneme"], [phonemes.LETTERS.index(c) for c in "pbm"])):
            during = (times > record["phoneme_start"][place] - 0.021) & (times < record["phoneme_end"][place] + 0.021)
            assert opening[during].min() <= 0.1 * np.percentile(opening, 95)


def test_number_of_workers_changes_nothing(written, tmp_path):
    write(tmp_path / "two", workers=2)
    for split in corpus.SPLITS:
        assert_same(records(written, split), records(tmp_path / "two", split))


def test_another_seed_gives_another_corpus():
    first, second = clip.make(0, 0), clip.make(1, 0)
    assert first.text != second.text and not np.array_equal(first.identity, second.identity)


def test_clips_vary_in_language_voice_and_style():
    made = [clip.make(2, i) for i in range(40)]
    assert len({m.language for m in made}) == len(sentences.GRAMMARS)
    assert len({m.voice for m in made}) > 25 and len({m.style for m in made}) > 20
    jaws = [m.expression[:, INDEX["jawOpen"]].max() for m in made]
    assert np.std(jaws) > 0.03


def test_grain_batches_and_shuffles_it(written):
    windows = corpus.read(written).map(lambda record: record["expression"][:25]).shuffle(seed=0).batch(4)
    batch = windows[0]
    assert isinstance(windows, grain.MapDataset) and batch.shape == (4, 25, 52)


def test_finished_corpus_is_kept_and_another_is_refused(written):
    before = {path: path.stat().st_mtime_ns for path in written.rglob("*.array_record*")}
    write(written)
    assert before == {path: path.stat().st_mtime_ns for path in written.rglob("*.array_record*")}
    with pytest.raises(InputError, match="other settings"):
        write(written, 30)
    assert len(records(written)) == 19


def test_bad_directories_are_refused(tmp_path):
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    for place in ("file", "full"):
        with pytest.raises(InputError):
            write(tmp_path / place)
    with pytest.raises(InputError, match="at least one clip"):
        write(tmp_path / "new", 0)
    with pytest.raises(InputError, match="seed from 0 on"):
        write(tmp_path / "new", seed=-1)
    for place in ("file", "full", "nowhere"):
        with pytest.raises(InputError, match="holds no corpus"):
            corpus.read(tmp_path / place)
    assert (tmp_path / "full" / "letter.txt").read_text() == "mine" and not (tmp_path / "new").exists()


def test_corpus_of_another_version_is_refused(written, monkeypatch):
    monkeypatch.setattr(corpus, "VERSION", "9.0.0")
    with pytest.raises(InputError, match="write it anew"):
        corpus.read(written)


def test_full_disk_ends_in_one_line_and_leaves_no_block(tmp_path, monkeypatch):
    def full(self, **_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(corpus.Corpus, "download_and_prepare", full)
    with pytest.raises(InputError, match="No space left"):
        write(tmp_path / "new", 1)
    with pytest.raises(InputError, match="blocks are missing"):
        corpus.read(tmp_path / "new")


def test_killed_writing_is_never_read_and_goes_on_where_it_was(tmp_path, monkeypatch):
    """SIGKILL in the second of three blocks: reading refuses, writing again keeps the first block and finishes."""
    code = (
        "import pathlib, sys; from jaxtalk.data import corpus, corpus_options; corpus.BLOCK = 5\n"
        "options = {'directory': pathlib.Path(sys.argv[1]), 'clips': 15, 'seed': 5, 'workers': 1}\n"
        "corpus.write(corpus_options.CorpusOptions(**options))"
    )
    directory = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", code, str(directory)], stderr=subprocess.DEVNULL)
    second = directory / "block-00001"
    deadline = time.monotonic() + 300
    while not second.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert second.exists() and not (directory / "block-00002").exists()

    monkeypatch.setattr(corpus, "BLOCK", 5)
    with pytest.raises(InputError, match="2 of 3 blocks are missing"):
        corpus.read(directory)
    first = next(Path(directory / "block-00000").rglob("*train.array_record*"))
    before = first.stat().st_mtime_ns
    write(directory, 15)
    assert first.stat().st_mtime_ns == before
    assert [record["index"] for record in records(directory)] == [i for i in range(15) if i != 9]
    assert not [path for path in directory.rglob("*") if "incomplete" in path.name]


def test_speakers_breathe_in_with_an_open_mouth():
    """Some pauses hold a breath: the sound is not silent there and the jaw is lower than elsewhere in pauses."""
    open_jaw, rest = [], []
    for i in range(30):
        made = clip.make(7, i)
        jaw = made.expression[:, INDEX["jawOpen"]] / made.articulation.jaw
        times = np.arange(len(jaw)) / clip.FPS
        for symbol, values in ((phonemes.BREATH, open_jaw), (phonemes.LETTERS[0], rest)):
            for k in made.phonemes.where(symbol):
                inside = (times > made.phonemes.start[k] + 0.08) & (times < made.phonemes.end[k] - 0.08)
                values.extend(jaw[inside])
    assert len(open_jaw) > 40 and np.mean(open_jaw) > np.mean(rest) + 0.05


def test_frames_are_written_on_request_and_change_no_other_field(written, tmp_path, monkeypatch):
    """With the drawing shortened to two frames a clip: the record keeps pictures, landmarks and camera."""
    render = clip_frames.render

    def short(made, seed, index, size):
        return render(made.only(np.arange(2)), seed, index, size)

    monkeypatch.setattr(clip_frames, "render", short)
    write(tmp_path / "film", 1, frames=32)
    filmed, plain = records(tmp_path / "film")[0], records(written)[0]
    for name in plain:
        np.testing.assert_array_equal(filmed[name], plain[name])
    assert len(filmed["frames"]) == 2 and filmed["landmarks"].shape == (2, 68, 2) and filmed["camera"].shape == (4,)
    assert Image.open(io.BytesIO(filmed["frames"][1])).size == (32, 32)
    with pytest.raises(InputError, match="multiple of 16"):
        write(tmp_path / "odd", 1, frames=33)
