"""Sets of meshes into records. The sets are small and made here, with files as those of VOCASET and BIWI."""

import csv
import json
import pickle
import shutil

import numpy as np
import pytest
import soundfile

from jaxtalk.convert import pickles
from jaxtalk.data import mesh_clips, record_blocks
from jaxtalk.errors import InputError
from jaxtalk.systems import prepare, prepare_meshes
from jaxtalk.systems.prepare_options import PrepareOptions

TRAINED, HELD, TESTED = "FaceTalk_170725_00137_TA", "FaceTalk_170811_03275_TA", "FaceTalk_170809_00138_TA"
CORNERS = 6
SENTENCES = {TRAINED: [1, 2, 40], HELD: [20, 21], TESTED: [40]}
FRAMES = 45


def movement(subject, sentence, frames=FRAMES):
    rng = np.random.default_rng([sentence, *subject.encode()])
    return rng.normal(size=(frames, CORNERS, 3)).astype(np.float32)


def tone(seconds, rate):
    return np.sin(np.arange(round(seconds * rate)) / rate * 2 * np.pi * 440) / 2


def templates(subjects):
    return {subject: np.full((CORNERS, 3), place, np.float64) for place, subject in enumerate(subjects)}


def save(path, value):
    path.write_bytes(pickle.dumps(value, protocol=2))


@pytest.fixture(scope="module")
def voca(tmp_path_factory):
    """Rows of all sentences in one array, not in the order of their frames."""
    folder = tmp_path_factory.mktemp("voca")
    meshes, rows, sounds = [], {}, {}
    for subject, numbers in SENTENCES.items():
        for number in numbers:
            name, first = f"sentence{number:02d}", sum(map(len, meshes))
            meshes.append(movement(subject, number)[::-1])
            rows.setdefault(subject, {})[name] = {k: first + FRAMES - 1 - k for k in range(FRAMES)}
            sound = {"audio": np.round(tone(1.0, 22000) * 32767).astype(np.int16), "sample_rate": 22000}
            sounds.setdefault(subject, {})[name] = sound
    np.save(folder / "data_verts.npy", np.concatenate(meshes))
    save(folder / "subj_seq_to_idx.pkl", rows)
    save(folder / "raw_audio_fixed.pkl", sounds)
    save(folder / "templates.pkl", templates(SENTENCES))
    return folder


def codetalker(folder, names, frames=FRAMES, seconds=2.0):
    for part in ("wav", "vertices_npy"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for name in names:
        subject, _, sentence = name.rpartition("_")
        meshes = movement(subject, int(sentence[-2:]), frames)
        np.save(folder / "vertices_npy" / f"{name}.npy", meshes.reshape(frames, -1))
        soundfile.write(folder / "wav" / f"{name}.wav", tone(seconds, 16000), 16000)
    save(folder / "templates.pkl", templates(sorted({name.rpartition("_")[0] for name in names})))
    return folder


def options(folder, out, **changes):
    return PrepareOptions(videos=folder, directory=out, **changes)


def records(out, split):
    source = mesh_clips.read(out, split)
    return {(record := source[i])["name"].decode(): record for i in range(len(source))}


def test_vocaset_as_published_comes_out_in_its_splits(voca, tmp_path):
    said = prepare.run(options(voca, tmp_path / "out"))
    assert "5 clips (3 train, 1 validation, 1 test)" in said and "1 in no published split" in said
    found = {split: records(tmp_path / "out", split) for split in record_blocks.SPLITS}
    assert [sorted(part) for part in found.values()] == [
        [f"{TRAINED}_sentence{number:02d}" for number in SENTENCES[TRAINED]],
        [f"{HELD}_sentence21"],
        [f"{TESTED}_sentence40"],
    ]
    for name, record in (found["train"] | found["validation"] | found["test"]).items():
        subject, number = record["subject"].decode(), int(name[-2:])
        np.testing.assert_array_equal(record["vertices"], movement(subject, number))
        np.testing.assert_array_equal(record["template"], templates(SENTENCES)[subject])
        assert record["fps"] == 60 and record["sentence"].decode() == f"sentence{number:02d}"
        assert len(record["speech"]) == FRAMES * 16000 / 60  # of the second of sound, what has frames
        inside = slice(400, -400)  # the resampler's edges
        np.testing.assert_allclose(record["speech"][inside] / 32767, tone(0.75, 16000)[inside], atol=2e-3)


def test_biwi_and_vocaset_as_codetalker_lays_them_out(tmp_path):
    biwi = codetalker(tmp_path / "biwi", ["F2_e01", "F2_e33", "M5_e40", "F1_e37", "F1_e01"])
    said = prepare.run(options(biwi, tmp_path / "a"))
    assert "4 clips (1 train, 1 validation, 1 test, 1 test_seen)" in said
    assert list(records(tmp_path / "a", "test")) == ["F1_e37"]
    assert list(records(tmp_path / "a", "test_seen")) == ["M5_e40"]
    (record,) = records(tmp_path / "a", "train").values()
    assert record["fps"] == 25 and record["vertices"].shape == (FRAMES, CORNERS, 3)
    assert len(record["speech"]) == FRAMES * 640
    voca = codetalker(tmp_path / "voca", [f"{TRAINED}_sentence03"])
    prepare.run(options(voca, tmp_path / "b"))
    (record,) = records(tmp_path / "b", "train").values()
    assert record["fps"] == 60 and record["subject"].decode() == TRAINED


def test_where_sound_ends_first_the_meshes_end_too(tmp_path):
    folder = codetalker(tmp_path / "set", ["F2_e01"], seconds=1.0)
    prepare.run(options(folder, tmp_path / "out"))
    (record,) = records(tmp_path / "out", "train").values()
    assert len(record["vertices"]) == 25 and len(record["speech"]) == 16000


def test_interrupted_it_goes_on_and_ends_with_the_same_records(voca, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare_meshes, "BLOCK", 2)
    prepare.run(options(voca, tmp_path / "whole"))
    fill, stops = record_blocks.write, []

    def half(builder, folder):
        fill(builder, folder)
        stops.append(folder)
        if len(stops) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(record_blocks, "write", half)
    with pytest.raises(KeyboardInterrupt):
        prepare.run(options(voca, tmp_path / "out"))
    with pytest.raises(InputError, match="not finished"):
        mesh_clips.read(tmp_path / "out")
    prepare.run(options(voca, tmp_path / "out"))
    assert len(stops) == 4  # three blocks, one of them twice
    files = [
        {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
        for out in (tmp_path / "whole", tmp_path / "out")
    ]
    assert files[0] == files[1]


def test_clips_of_no_use_are_set_aside_with_the_reason(tmp_path):
    names = ["F2_e01", "F2_e02", "F2_e03", "F2_e04", "F2_e05", "F2_e06"]
    folder = codetalker(tmp_path / "set", names)
    meshes = folder / "vertices_npy"
    np.save(meshes / "F2_e02.npy", np.zeros((30, 3 * CORNERS + 3), np.float32))
    np.save(meshes / "F2_e03.npy", np.full((30, 3 * CORNERS), np.nan, np.float32))
    (meshes / "F2_e04.npy").write_bytes(pickle.dumps([1]))
    (folder / "wav" / "F2_e05.wav").unlink()
    np.save(meshes / "F2_e06.npy", np.zeros((3, 3 * CORNERS), np.float32))
    assert "1 clips (1 train)" in prepare.run(options(folder, tmp_path / "out"))
    with (tmp_path / "out" / "set_aside.csv").open(newline="") as file:
        reasons = {row["name"]: row["reason"] for row in csv.DictReader(file)}
    expected = ["other vertices", "no numbers", "is no array", "no sound", "too short"]
    assert list(reasons) == names[1:]
    for name, part in zip(names[1:], expected, strict=True):
        assert part in reasons[name]
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["set_aside"] == 5


def test_frames_that_are_missing_are_not_closed_up(voca, tmp_path):
    folder = shutil.copytree(voca, tmp_path / "set")
    rows = pickles.read(folder / "subj_seq_to_idx.pkl")
    del rows[TRAINED]["sentence02"][7]
    save(folder / "subj_seq_to_idx.pkl", rows)
    assert "4 clips" in prepare.run(options(folder, tmp_path / "out"))
    assert f"{TRAINED}_sentence02" not in records(tmp_path / "out", "train")


class Trap:
    def __reduce__(self):
        return print, ("executed",)


def test_a_pickle_that_runs_code_is_refused(voca, tmp_path, capsys):
    folder = shutil.copytree(voca, tmp_path / "set")
    save(folder / "templates.pkl", {TRAINED: Trap()})
    with pytest.raises(InputError, match="blocked"):
        prepare.run(options(folder, tmp_path / "out"))
    assert "executed" not in capsys.readouterr().out and not (tmp_path / "out").exists()


def test_what_is_no_such_set_is_refused_in_one_line(voca, tmp_path):
    out = tmp_path / "out"
    (tmp_path / "a").mkdir()
    save(tmp_path / "a" / "templates.pkl", {})
    with pytest.raises(InputError, match="holds no .npy"):
        prepare.run(options(tmp_path / "a", out, layout="codetalker"))
    with pytest.raises(InputError, match="data_verts.npy: is no array"):
        prepare.run(options(tmp_path, out, layout="voca"))
    with pytest.raises(InputError, match="prepared without it"):
        prepare.run(options(voca, out, beam=True))
    with pytest.raises(InputError, match="is no name in biwi"):
        prepare.run(options(codetalker(tmp_path / "b", ["F2_hello12"]), out))
    with pytest.raises(InputError, match="none of its clips is in a published split of biwi"):
        prepare.run(options(codetalker(tmp_path / "c", ["anna_12"]), out))
    assert not out.exists()
    with pytest.raises(InputError, match="holds no prepared meshes"):
        mesh_clips.read(tmp_path)
