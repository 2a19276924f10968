import json
import os

import numpy as np
import pytest

from jaxtalk.convert import obj
from jaxtalk.errors import InputError
from jaxtalk.io import output_folder, provenance, vertex_file

FRAMES = np.random.default_rng(0).normal(size=(5, 6, 3)).astype(np.float32)
TRIANGLES = np.array([[0, 1, 2], [3, 4, 5]])


def pieces(broken=False):
    yield FRAMES[:2]
    if broken:
        raise KeyboardInterrupt
    yield FRAMES[2:]


def test_an_npz_of_pieces_is_that_of_the_whole(tmp_path):
    vertex_file.write_npz(tmp_path / "a.npz", pieces(), 5, {"fps": 25.0, "triangles": TRIANGLES}, {"synthetic": True})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as z:
        np.testing.assert_array_equal(z["vertices"], FRAMES)
        np.testing.assert_array_equal(z["triangles"], TRIANGLES)
        assert float(z["fps"]) == 25.0
    assert provenance.verify(tmp_path / "a.npz").inside == {"synthetic": True}


def test_a_folder_of_objs_has_each_frame(tmp_path):
    vertex_file.write_folder(tmp_path / "a", pieces(), TRIANGLES, {"synthetic": True})
    assert len(os.listdir(tmp_path / "a")) == 6
    for k, frame in enumerate(FRAMES):
        mesh = obj.read(tmp_path / "a" / f"frame_{k:05d}.obj")
        np.testing.assert_allclose(mesh.vertices, frame, atol=1e-6)
        np.testing.assert_array_equal(mesh.triangles, TRIANGLES)
    assert json.loads((tmp_path / "a" / "provenance.json").read_text()) == {"synthetic": True}


def test_what_is_interrupted_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        vertex_file.write_npz(tmp_path / "a.npz", pieces(True), 5, {}, {})
    with pytest.raises(KeyboardInterrupt):
        vertex_file.write_folder(tmp_path / "a", pieces(True), TRIANGLES, {})
    assert not os.listdir(tmp_path)


def test_a_folder_is_checked_beforehand_and_left_alone(tmp_path):
    assert output_folder.check(tmp_path / "new") == tmp_path / "new"
    assert not os.listdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(InputError, match="not an empty folder"):
        output_folder.check(tmp_path / "full")
    with pytest.raises(InputError, match="does not exist"):
        output_folder.check(tmp_path / "none" / "new")
