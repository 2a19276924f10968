import os

import pytest

from jaxtalk.errors import InputError
from jaxtalk.io import container


def test_a_readable_file_passes(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    assert container.check(tmp_path / "a") == tmp_path / "a"


@pytest.mark.parametrize("name", ["absent", "", "a" * 5000, "null\0byte", "/dev/zero", "fifo", "empty", "loop"])
def test_what_is_no_file_is_named(tmp_path, name):
    os.mkfifo(tmp_path / "fifo")  # opening it would wait for ever
    (tmp_path / "empty").touch()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="does not exist|folder|cannot be read|regular|empty"):
        container.check(tmp_path / name)


def test_the_whitelist_names_demuxers_that_exist():
    import av

    assert set(container.FORMATS.split(",")) - av.formats_available == {"m4a", "mj2"}  # listed under mov
    assert not {"hls", "concat", "dash", "image2", "tty", "sdp", "lavfi"} & set(container.FORMATS.split(","))
