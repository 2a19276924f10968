import os

import pytest

from jaxtalk.errors import InputError
from jaxtalk.io import output


def test_a_file_takes_its_place_when_the_block_ends(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with output.atomic(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        assert temporary.parent == tmp_path and (tmp_path / "a.txt").read_text() == "old"
    assert (tmp_path / "a.txt").read_text() == "new" and os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path, error):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(error):
        with output.atomic(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise error
    assert (tmp_path / "a.txt").read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_a_full_disk_is_an_input_error_and_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match=r"a\.txt: .*No space left"):
        with output.atomic(tmp_path / "a.txt"):
            with open("/dev/full", "wb", buffering=0) as full:
                full.write(b"x")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("use", [output.check, lambda path: output.atomic(path).__enter__()])
def test_what_cannot_be_written_is_said_before_any_work(tmp_path, use):
    (tmp_path / "file").write_text("")
    wrong = {
        tmp_path / "absent" / "a.mp4": "does not exist",
        tmp_path / "file" / "a.mp4": "does not exist",
        tmp_path: "is a folder",
        "/dev/null": "no regular file",
        "/proc/a.mp4": "cannot be written",
        tmp_path / ("a" * 256): "cannot be written",
    }
    for path, message in wrong.items():
        with pytest.raises(InputError, match=message) as caught:
            use(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == ["file"]


def test_check_leaves_no_trace_and_names_known_suffixes(tmp_path):
    assert output.check(tmp_path / "a.MP4", (".mp4", ".mov")) == tmp_path / "a.MP4"
    with pytest.raises(InputError, match=r"a\.avi: .*\*\.mp4 or \*\.mov"):
        output.check(tmp_path / "a.avi", (".mp4", ".mov"))
    assert not os.listdir(tmp_path)


def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / "link").symlink_to("a.txt")
    with output.atomic(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "a.txt").read_text() == "new"


def test_files_get_the_usual_permissions(tmp_path):
    (tmp_path / "plain").touch()
    with output.atomic(tmp_path / "a.txt") as temporary:
        temporary.write_text("")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "plain").stat().st_mode
