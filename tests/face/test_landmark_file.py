"""Landmarks of other programs: every layout that is accepted, and one line about every one that is not."""

import json

import numpy as np
import pytest

from jaxtalk.errors import InputError
from jaxtalk.face import landmark_file

POINTS = np.random.default_rng(0).uniform(20, 200, (68, 2)).astype(np.float32)


def write(path, value):
    if path.suffix == ".npz":
        np.savez(path, **value)
    elif path.suffix == ".npy":
        np.save(path, value)
    else:
        path.write_text(value)
    return path


FILES = {
    "named.npz": {"landmarks": POINTS, "fps": np.float32(25)},
    "only.npz": {"points": POINTS[None]},
    "depth.npz": {"lm": np.concatenate([POINTS, np.ones((68, 1), np.float32)], 1)},
    "plain.npy": POINTS,
    "list.json": json.dumps(POINTS.tolist()),
    "named.json": json.dumps({"landmarks": POINTS.ravel().tolist(), "score": 0.9}),
    "rows.txt": "\n".join(f"{x:.9g} {y:.9g}" for x, y in POINTS),
    "one_per_line.txt": "\n".join(f"{v:.9g}" for v in POINTS.ravel()),
    "table.csv": "\n".join(f"{x:.9g},{y:.9g}" for x, y in POINTS) + "\n",
}


@pytest.mark.parametrize("name", FILES)
def test_layouts_of_other_programs_are_read(tmp_path, name):
    read = landmark_file.load(write(tmp_path / name, FILES[name]), size=(256, 256))
    np.testing.assert_allclose(read, POINTS, rtol=1e-6)


WRONG = {
    "few.txt": ("1 2 3 4", "shape"),
    "words.txt": ("left eye at 3 4", "holds no landmarks"),
    "empty.txt": ("", "shape"),
    "broken.json": ("{", "holds no landmarks"),
    "two.npz": ({"a": POINTS, "b": POINTS}, "none is called landmarks"),
    "frames.npy": (np.stack([POINTS, POINTS]), "2 faces or frames"),
    "nan.npy": (np.where(POINTS > 100, np.nan, POINTS), "not finite"),
    "relative.npy": (POINTS / 256, "multiply by the picture's size"),
    "elsewhere.npy": (POINTS + 3000, "outside the 256x256 picture"),
    "objects.npy": (np.array([{"x": 1}] * 68), "holds no landmarks"),
    "big.txt": ("0 " * (1 << 23) + "0", "too big"),
    "zip.npz": None,
}


@pytest.mark.parametrize("name", WRONG)
def test_anything_else_is_refused_in_one_line(tmp_path, name):
    path, (value, message) = tmp_path / name, WRONG[name] or ("PK no zip", "holds no landmarks")
    if WRONG[name]:
        write(path, value)
    else:
        path.write_text(value)
    with pytest.raises(InputError, match=message) as caught:
        landmark_file.load(path, size=(256, 256))
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere.txt: cannot be read"):
        landmark_file.load(tmp_path / "nowhere.txt")


def test_landmarks_that_a_real_program_wrote(media):
    points = landmark_file.load(media / "peer_outputs" / "sadtalker_source_landmarks68.txt", size=(256, 256))
    assert points[36, 0] < points[45, 0] and points[8, 1] > points[30, 1] > points[27, 1]
