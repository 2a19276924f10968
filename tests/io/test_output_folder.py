"""A folder appears whole or not at all."""

import pytest

from jaxtalk.errors import InputError
from jaxtalk.io import output_folder


@pytest.mark.parametrize("there", [False, True])
def test_what_was_written_appears_at_the_end(tmp_path, there):
    target = tmp_path / "out"
    if there:
        target.mkdir()
    with output_folder.atomic(target) as folder:
        (folder / "a").write_text("1")
        assert not (target / "a").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["out"] and (target / "a").read_text() == "1"


def test_nothing_is_left_of_a_failure(tmp_path):
    with pytest.raises(RuntimeError), output_folder.atomic(tmp_path / "out") as folder:
        (folder / "a").write_text("1")
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_no_folder_that_holds_something_is_replaced(tmp_path):
    (tmp_path / "file").write_text("")
    for target, message in [
        (tmp_path, "not an empty folder"),
        (tmp_path / "file", "not an empty folder"),
        (tmp_path / "no" / "where", "does not exist"),
    ]:
        with pytest.raises(InputError, match=message), output_folder.atomic(target):
            pass
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
