import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxtalk.train import manifest


@pytest.fixture
def folder(tmp_path):
    """Three files, one of them empty, in two folders."""
    (tmp_path / "step" / "inner").mkdir(parents=True)
    (tmp_path / "step" / "a").write_bytes(bytes(range(256)))
    (tmp_path / "step" / "empty").touch()
    (tmp_path / "step" / "inner" / "b").write_bytes(b"b" * 5000)
    manifest.write(tmp_path / "step")
    return tmp_path / "step"


def flip(path, bit):
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def test_a_folder_as_written_has_no_fault(folder):
    assert manifest.fault(folder) is None
    (folder / ".nfs0001").touch()
    assert manifest.fault(folder) is None


def test_every_flipped_bit_is_found_and_the_file_named(folder):
    for bit in range(0, 8 * 256, 97):
        flip(folder / "a", bit)
        assert manifest.fault(folder) == "a: its SHA-256 differs"
        flip(folder / "a", bit)
    assert manifest.fault(folder) is None


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder with one file, and its manifest as written."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "a").write_bytes(b"0123456789")
    manifest.write(folder)
    return folder, (folder / manifest.NAME).read_bytes()


@settings(max_examples=50, deadline=None)
@given(bit=st.integers(0, 79), other=st.integers(0, 10**6))
def test_no_damage_to_the_manifest_makes_a_damaged_folder_good(small, bit, other):
    folder, written = small
    (folder / "a").write_bytes(b"0123456789")
    (folder / manifest.NAME).write_bytes(written)
    flip(folder / "a", bit)
    flip(folder / manifest.NAME, other % (8 * len(written)))
    assert manifest.fault(folder) in (f"{manifest.NAME} is damaged", "a: its SHA-256 differs")


def test_lost_and_shortened_files_are_named(folder):
    (folder / "inner" / "b").write_bytes(b"b" * 4999)
    assert manifest.fault(folder) == "inner/b: 4999 bytes instead of 5000"
    (folder / "inner" / "b").unlink()
    assert manifest.fault(folder) == "inner/b: missing"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"files": 3}', '{"files": {"a": 1}}', '{"files": {}}', "\udcff"]
)
def test_a_garbage_manifest_is_a_fault(folder, text):
    (folder / manifest.NAME).write_bytes(text.encode(errors="surrogateescape"))
    assert manifest.NAME in manifest.fault(folder)


def test_a_folder_without_a_manifest_is_a_fault(folder, tmp_path):
    (folder / manifest.NAME).unlink()
    assert manifest.fault(folder) == "no manifest.json"
    (tmp_path / "7").mkdir()
    assert manifest.fault(tmp_path / "7") == "an empty folder"


def test_a_file_that_cannot_be_read_is_a_fault(folder):
    (folder / "a").unlink()
    (folder / "a").mkdir()
    content = json.loads((folder / manifest.NAME).read_text())
    content["files"]["a"]["bytes"] = (folder / "a").stat().st_size
    content["sha256"] = manifest._seal(content["files"])
    (folder / manifest.NAME).write_text(json.dumps(content))
    assert manifest.fault(folder) == "a: cannot be read (Is a directory)"
