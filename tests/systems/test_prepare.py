"""Videos into training records: what is in them, clips that are set aside, interruptions.

Videos are small and drawn here: a dot goes where the nose of a moving built-in face is, whose points are beside the
video as its track. What is found in a record is so known from the drawing.
"""

import csv
import importlib.util
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jaxtalk.data import known_sets, record_blocks, staged_clips, talking_clip, talking_videos
from jaxtalk.errors import InputError
from jaxtalk.face import builtin
from jaxtalk.face.arkit import INDEX
from jaxtalk.face.mediapipe import LANDMARKS_68
from jaxtalk.face.model import pose
from jaxtalk.io import video
from jaxtalk.systems import prepare
from jaxtalk.systems.prepare_options import PrepareOptions

NOSE = 30
SIDE = 160  # pixels of a video
SCALE = 500  # pixels a metre


def points_of(seconds, size=1.0):
    """Landmarks [t 68 2] of the built-in face, which opens its mouth and turns a little."""
    model = builtin.model()
    jaw = 0.3 + 0.3 * np.sin(7 * seconds)
    face = np.asarray(model.template)[model.landmarks] + (
        jaw[:, None, None] * np.asarray(model.expression)[INDEX["jawOpen"], model.landmarks]
    )
    angles = np.stack([0.05 * np.sin(seconds), 0.2 * np.sin(2 * seconds), 0 * seconds], -1).astype(np.float32)
    shown = np.asarray(pose(jnp.asarray(face, jnp.float32), jnp.asarray(angles), jnp.zeros((len(seconds), 3))))
    return (shown[..., :2] * [SCALE, -SCALE] * size + SIDE / 2).astype(np.float32)


def talker(path, frames=40, fps=25.0, size=1.0, sound=1.0, track=True, seconds_of_sound=None):
    """Writes a video of someone who talks, and its track. `sound` is its loudness; 0 is silence, None no sound."""
    path.parent.mkdir(parents=True, exist_ok=True)
    points = points_of(np.arange(frames) / fps, size)
    times = np.arange(round((seconds_of_sound or frames / fps) * 16_000)) / 16_000
    audio = None if sound is None else ((sound * times / 10).astype(np.float32), 16_000)  # louder and louder
    with video.Writer(path, SIDE, SIDE, fps, audio=audio, crf=10) as writer:
        for place in points[:, NOSE]:
            y, x = np.mgrid[:SIDE, :SIDE] + 0.5
            dot = np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / 18)
            writer.write((60 + 180 * dot[..., None]).repeat(3, -1).astype(np.uint8))
    if track:
        mesh = np.zeros((frames, 478, 3), np.float32)
        mesh[:, LANDMARKS_68, :2] = points / SIDE
        np.savez(path.with_suffix(".npz"), landmarks=mesh, height_width=np.array([SIDE, SIDE]), fps=fps)
    return points


def options(videos, out, **changes):
    changes = {"size": 64, "shortest": 10, "longest": 60, "workers": 0} | changes
    return PrepareOptions(videos=videos, directory=out, **changes)


def records(out, *splits):
    found = {}
    for split in splits or record_blocks.SPLITS:
        try:
            source = talking_videos.read(out, split)
        except InputError:
            continue
        found |= {(record := source[i])["name"].decode(): record for i in range(len(source))}
    return found


def aside(out):
    with (out / "set_aside.csv").open(newline="") as file:
        return {row["path"]: row["reason"] for row in csv.DictReader(file)}


def files(out):
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Five videos of three people, as VoxCeleb lays them out; one has 30 frames a second, one is broken."""
    videos = tmp_path_factory.mktemp("videos")
    talker(videos / "id1" / "a" / "1.mp4")
    talker(videos / "id1" / "b" / "2.mp4", frames=36, fps=30.0)
    talker(videos / "id2" / "c" / "1.mp4", frames=70)
    talker(videos / "id3" / "d" / "1.mp4")
    (videos / "id3" / "d" / "2.mp4").write_text("no video")
    return videos


@pytest.fixture(scope="module")
def whole(people, tmp_path_factory):
    """Records made of them without an interruption, in blocks of two clips."""
    out = tmp_path_factory.mktemp("out") / "records"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare, "BLOCK", 2)
        said = prepare.run(options(people, out))
    assert "4 clips of 3 people, 5 pieces" in said and "1 set aside" in said
    return out


def test_a_record_holds_what_the_video_shows_and_says(whole):
    found = records(whole)
    assert sorted(found) == ["id1-a-1-000000", "id1-b-2-000000", "id2-c-1-000000", "id2-c-1-000060", "id3-d-1-000000"]
    for name, record in found.items():
        count = len(record["frames"])
        assert len(record["speech"]) == 640 * count
        assert all(len(record[key]) == count for key in ("landmarks", "expression", "rotation", "translation"))
        assert record["expression"].min() >= 0 and record["expression"].max() <= 1
        assert record["clip"].decode().startswith(record["person"].decode() + "/")
        pictures = [np.asarray(Image.open(io.BytesIO(frame)).convert("L"), float) for frame in record["frames"]]
        assert pictures[0].shape == (64, 64)
        brightest = np.array([np.unravel_index(p.argmax(), p.shape)[::-1] for p in pictures]) + 0.5
        assert np.abs(brightest - record["landmarks"][:, NOSE]).max() < 1.3, name
        loudness = record["speech"].reshape(count, 640).mean(1) / 32767
        middle = (np.arange(count) + 0.5 + record["start"]) / 25  # seconds
        np.testing.assert_allclose(loudness[2:-2], middle[2:-2] / 10, atol=0.004)


def test_the_fitted_face_shows_its_landmarks_where_they_are_in_the_crop(whole):
    model = builtin.model()
    for record in records(whole).values():
        face = np.asarray(model.template)[model.landmarks] + np.einsum(
            "i,ivc->vc", record["identity"], np.asarray(model.identity)[:, model.landmarks]
        )
        face = face + np.einsum("te,evc->tvc", record["expression"], np.asarray(model.expression)[:, model.landmarks])
        shown = pose(*(jnp.asarray(a, jnp.float32) for a in (face, record["rotation"], record["translation"])))
        focal, *centre, distance = record["camera"]
        depth = distance - np.asarray(shown)[..., 2:]
        pixels = np.asarray(shown)[..., :2] * [1, -1] * focal / depth + centre
        eyes = np.linalg.norm(record["landmarks"][0, 36] - record["landmarks"][0, 45])
        assert np.abs(pixels - record["landmarks"]).mean() < 0.02 * eyes
        jaw = record["expression"][:, INDEX["jawOpen"]]
        true = np.sin(7 * (np.arange(len(jaw)) + record["start"]) / 25)
        assert np.corrcoef(jaw, true)[0, 1] > 0.9


def test_crops_of_a_piece_are_one_square_of_the_video(whole, people):
    """Landmarks of crop and video differ by one shift and one scale."""
    seconds = np.arange(60) / 25
    record = records(whole)["id2-c-1-000000"]
    both = [p.reshape(-1, 2) for p in (points_of(seconds), record["landmarks"])]
    scale = np.ptp(both[1], axis=0) / np.ptp(both[0], axis=0)
    np.testing.assert_allclose(scale, scale[0], rtol=1e-4)
    shift = both[1] - both[0] * scale[0]
    assert np.ptp(shift, axis=0).max() < 0.01


def test_all_clips_of_a_person_are_in_one_split(tmp_path, people):
    names = [f"person {k}" for k in range(2000)]
    splits = [prepare.split_of(name, 0.1) for name in names]
    assert [abs(splits.count(s) - n) < 60 for s, n in (("train", 1600), ("validation", 200), ("test", 200))] == [
        True
    ] * 3
    assert {prepare.split_of(name, 0.0) for name in names} == {"train"}
    more = [prepare.split_of(name, 0.2) for name in names]
    assert all(b != "train" for a, b in zip(splits, more, strict=True) if a != "train")


def test_what_a_set_keeps_for_testing_stays_there_and_nothing_else_comes_to_it():
    names = [f"person {k}" for k in range(200)]
    assert {prepare.split_of(name, 0.2, "test") for name in names} == {"test"}
    assert {prepare.split_of(name, 0.4, "train") for name in names} == {"train"}
    rest = [prepare.split_of(name, 0.2, known_sets.REST) for name in names]
    assert set(rest) == {"train", "validation"}
    same = [prepare.split_of(name, 0.2) for name in names]
    assert [s == "validation" for s in same] == [s == "validation" for s in rest]


def test_splits_texts_and_labels_of_a_set_are_kept(tmp_path):
    """LRW, whose folders say train and test, and LRS3, whose text lies beside the video."""
    words, talks = tmp_path / "lrw", tmp_path / "lrs3"
    for place in ("train", "test"):
        talker(words / "ABOUT" / place / "ABOUT_00001.mp4", frames=12)
    prepare.run(options(words, tmp_path / "a", held_out=0.0))
    for place in ("train", "test"):
        (record,) = records(tmp_path / "a", place).values()
        assert record["clip"].decode() == f"ABOUT/{place}/ABOUT_00001.mp4"
        assert (record["text"], record["label"]) == (b"ABOUT", b"ABOUT")
    clips = talks / "test" / "0Fi83BHQsMA"
    talker(clips / "00002.mp4", frames=12)
    (clips / "00002.txt").write_text("Text:  SO I SAID\nConf:  3\n")
    prepare.run(options(talks, tmp_path / "b", held_out=0.0))
    (record,) = records(tmp_path / "b", "test").values()
    assert (record["text"], record["label"], record["person"]) == (b"SO I SAID", b"", b"0Fi83BHQsMA")


def test_the_summary_counts_what_there_is(whole):
    summary = json.loads((whole / "summary.json").read_text())
    assert (summary["clips"], summary["pieces"], summary["frames"], summary["people"]) == (4, 5, 180, 3)
    assert sum(summary["set_aside"].values()) == 1 and sum(summary["people_of_split"].values()) == 3
    assert aside(whole).keys() == {"id3/d/2.mp4"}
    assert not (whole / "stage").exists()


def test_interrupted_anywhere_it_ends_with_the_same_bytes(whole, people, tmp_path, monkeypatch):
    """Stopped after each clip, once in the middle of a clip and once in the middle of a block."""
    monkeypatch.setattr(prepare, "BLOCK", 2)
    out, make, fill = tmp_path / "records", talking_clip.records, record_blocks.write
    stops = {"clips": 0, "blocks": 0}

    def stopping(source, demands):
        yield from make(source, demands)
        stops["clips"] += 1
        if stops["clips"] in (1, 3):
            raise KeyboardInterrupt

    def half(builder, folder):
        fill(builder, folder)
        stops["blocks"] += 1
        if stops["blocks"] == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(talking_clip, "records", stopping)
    monkeypatch.setattr(record_blocks, "write", half)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            prepare.run(options(people, out))
        with pytest.raises(InputError, match="not finished"):
            talking_videos.read(out)
    prepare.run(options(people, out))
    assert stops == {"clips": 6, "blocks": 3}  # two clips and a block were begun in vain; one has no record
    assert files(out) == files(whole)  # within a process; protobuf orders a record's fields differently in another


def test_what_is_done_is_not_done_again_and_new_videos_are_added(whole, people, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "BLOCK", 2)
    videos, out = shutil.copytree(people, tmp_path / "videos"), shutil.copytree(whole, tmp_path / "records")
    tried, make = [], talking_clip.records

    def noted(source, demands):
        tried.append(source.clip)
        return make(source, demands)

    monkeypatch.setattr(talking_clip, "records", noted)
    prepare.run(options(videos, out))
    assert tried == [] and files(out) == files(whole)
    talker(videos / "id3" / "d" / "2.mp4", frames=20)  # mended
    prepare.run(options(videos, out))
    assert tried == []
    said = prepare.run(options(videos, out, retry=True))
    assert tried == ["id3/d/2.mp4"] and "set aside" not in said and not aside(out)
    talker(videos / "id4" / "e" / "1.mp4", frames=20)
    prepare.run(options(videos, out))
    assert tried == ["id3/d/2.mp4", "id4/e/1.mp4"]
    assert records(out).keys() - records(whole).keys() == {"id3-d-2-000000", "id4-e-1-000000"}
    with pytest.raises(InputError, match="other settings"):
        prepare.run(options(videos, out, size=32))


def test_clips_of_no_use_are_set_aside_with_the_reason(tmp_path, monkeypatch):
    videos, out = tmp_path / "videos", tmp_path / "records"
    talker(videos / "good.mp4", frames=12)
    talker(videos / "short.mp4", frames=9)
    talker(videos / "small.mp4", frames=12, size=0.15)
    talker(videos / "mute.mp4", frames=12, sound=None)
    talker(videos / "silent.mp4", frames=12, sound=0.0)
    talker(videos / "slow.mp4", frames=12, fps=10.0)
    talker(videos / "cut.mp4", frames=50, seconds_of_sound=0.2)
    talker(videos / "odd.mp4", frames=12)
    with np.load(videos / "odd.npz") as track:
        np.savez(videos / "odd.npz", **dict(track) | {"height_width": np.array([9, 9])})
    talker(videos / "lost.mp4", frames=12)
    with np.load(videos / "lost.npz") as track:
        np.savez(videos / "lost.npz", **dict(track) | {"landmarks": np.full((12, 478, 3), np.nan, np.float32)})
    (videos / "empty.mp4").touch()
    talker(videos / "bug.mp4", frames=12)
    make = talking_clip.records

    def buggy(source, demands):
        yield from make(source, demands)
        if source.clip == "bug.mp4":
            raise ZeroDivisionError("a decoder's\nown idea")

    monkeypatch.setattr(talking_clip, "records", buggy)
    said = prepare.run(options(videos, out))
    assert "1 clips" in said and list(records(out)) == ["good-000000"]
    reasons = aside(out)
    expected = {
        "short.mp4": "no piece has 10 frames", "small.mp4": "too small", "mute.mp4": "no sound track",
        "silent.mp4": "silent", "slow.mp4": "10 frames a second", "cut.mp4": "no piece has 10 frames",
        "odd.mp4": "another size|9x9 pixels", "lost.mp4": "no face", "empty.mp4": "is empty",
        "bug.mp4": "ZeroDivisionError: a decoder's own idea",
    }  # fmt: skip
    assert reasons.keys() == expected.keys()
    for name, reason in expected.items():
        assert any(part in reasons[name] for part in reason.split("|")), (name, reasons[name])
        assert str(tmp_path) not in reasons[name]


def test_features_are_those_of_the_corpus_where_both_have_them(whole):
    """What reads frames of the corpus reads these."""
    from jaxtalk.data import corpus

    ours, theirs = talking_videos.features(), corpus.features(frames=1)
    assert {"frames", "landmarks", "speech", "expression", "rotation", "translation"} <= ours.keys() & theirs.keys()
    record = records(whole)["id1-a-1-000000"]
    for name in ours.keys() & theirs.keys():
        if not isinstance(theirs[name], tfds.features.Text | tfds.features.Sequence):
            assert record[name].dtype == theirs[name].np_dtype and record[name].ndim == len(theirs[name].shape)


def test_staged_clips_come_back_as_they_were(tmp_path, people):
    source = prepare.video_layouts.find(people, "auto")[1][0]
    record = {"frames": [b"\xff\xd8a\x00", b"", b"bc"], "name": "x", "clip": "ä/x.mp4", "person": "ä", "start": 7}
    record |= {"source_sha256": "0", "landmarks": np.ones((3, 68, 2), np.float32)}
    staged_clips.write(tmp_path, source, lambda _: [record, record | {"start": 9}])
    first, second = staged_clips.read(staged_clips.path(tmp_path, source))
    assert first["frames"] == record["frames"] and first["clip"] == "ä/x.mp4" and first["start"] == 7
    assert second["start"] == 9
    np.testing.assert_array_equal(first["landmarks"], record["landmarks"])
    staged_clips.path(tmp_path, source).write_bytes(b"half")
    assert staged_clips.outcome(staged_clips.path(tmp_path, source)) is None


def test_wrong_options_end_in_one_line_before_anything_is_written(people, tmp_path):
    out = tmp_path / "new"
    wrong = [
        ({"size": 50}, "multiple of 16"), ({"shortest": 90}, "in order"), ({"held_out": 0.5}, "taken twice"),
        ({"workers": -1}, "0 or more"), ({"tracks": tmp_path / "none"}, "no folder"), ({"layout": "hdtf"}, "person_"),
        ({"tracker": "mediapipe:none.task"}, "cannot be read"), ({"tracker": "yolo"}, "mediapipe:PATH"),
    ]  # fmt: skip
    for changes, message in wrong:
        with pytest.raises(InputError, match=message):
            prepare.run(options(people, out, **changes))
    assert not out.exists()
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        prepare.run(options(people, tmp_path))
    with pytest.raises(InputError, match="holds no prepared videos"):
        talking_videos.read(tmp_path)


@pytest.mark.slow
def test_killed_with_its_workers_it_goes_on_and_ends_with_the_same_records(whole, people, tmp_path):
    """SIGKILL of the main process and of a worker at some moments; two workers instead of none."""
    out = tmp_path / "records"
    command = command_line(tmp_path, people, out, workers=2)
    for wanted in (1, 3):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 300
        while _whole_clips(out) < wanted and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    ours, theirs = records(out), records(whole)
    assert ours.keys() == theirs.keys() and aside(out) == aside(whole)
    for name, record in theirs.items():
        for key, value in record.items():
            if getattr(value, "dtype", None) == np.float32:  # other processes may use other numbers of threads
                np.testing.assert_allclose(ours[name][key], value, atol=2e-3)
            else:
                np.testing.assert_array_equal(ours[name][key], value)


def command_line(folder, videos, out, **changes):
    """Preparation in another process: spawned processes and Beam's pickles know nothing of tests."""
    code = (
        "import pathlib, sys\nfrom jaxtalk.systems import prepare, prepare_options\nprepare.BLOCK = 2\n"
        "if __name__ == '__main__':\n    prepare.run(prepare_options.PrepareOptions(videos=pathlib.Path(sys.argv[1]), "
        f"directory=pathlib.Path(sys.argv[2]), size=64, shortest=10, longest=60, **{changes}))\n"
    )
    (folder / "run.py").write_text(code)
    return [sys.executable, str(folder / "run.py"), str(videos), str(out)]


def _whole_clips(out: Path) -> int:
    staged = len([path for path in out.glob("stage/*.zip") if path.stat().st_size])
    return staged + sum(len(json.loads(path.read_text())) for path in out.glob("block-*/clips.json"))


@pytest.mark.skipif(importlib.util.find_spec("apache_beam") is None, reason="needs Apache Beam (extra beam)")
def test_beam_makes_the_same_records(whole, people, tmp_path):
    subprocess.run(command_line(tmp_path, people, tmp_path / "records", beam=True), check=True)
    ours, theirs = records(tmp_path / "records"), records(whole)
    assert ours.keys() == theirs.keys() and aside(tmp_path / "records") == aside(whole)
    for name, record in theirs.items():
        assert list(ours[name]["frames"]) == list(record["frames"])
        np.testing.assert_array_equal(ours[name]["speech"], record["speech"])


def test_missing_beam_is_said_in_one_line(people, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(InputError, match=r"jaxtalk\[beam\]"):
        prepare.run(options(people, tmp_path / "new", beam=True))
