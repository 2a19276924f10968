"""The .fap format: every number comes back, every kind of damage is one line that names file and line."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxtalk.errors import InputError
from jaxtalk.face import fap, fap_stream
from jaxtalk.io import fap_file

# As a public recording of a smile begins (brows and outer lips at 10 frames a second), with the blanks at line ends.
MASK = " ".join("1" if 31 <= k <= 38 or 51 <= k <= 60 else "0" for k in range(1, 69))
SMILE = f"2.1 joy.fap 10 2\n{MASK} \n0 {'0 ' * 18}\n{MASK} \n1 0 23 -7 0 0 0 0 0 0 0 14 14 0 0 -19 -38 0 9 \n"


def random_stream(seed: int, frames: int = 5) -> fap_stream.FapStream:
    rng = np.random.default_rng(seed)
    selected = rng.uniform(size=(frames, 68)) < rng.uniform()
    values = np.where(selected, rng.integers(-(2**31) + 1, 2**31, (frames, 68)), 0)
    values[:, :2] = 0
    viseme = rng.integers(0, 1 + np.array(list(fap_stream.VISEME.values())), (frames, 4)) * selected[:, :1]
    expression = rng.integers(0, 1 + np.array(list(fap_stream.EXPRESSION.values())), (frames, 6)) * selected[:, 1:2]
    fps = [25.0, 15.0, 29.97002997002997, 10.5][seed % 4]
    return fap_stream.FapStream(values, selected, viseme, expression, fps, ["a", "two words", "x.fap"][seed % 3])


def assert_same(a: fap_stream.FapStream, b: fap_stream.FapStream) -> None:
    for field in dataclasses.fields(a):
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name), err_msg=field.name)


@pytest.mark.parametrize("seed", range(8))
def test_reading_gives_back_what_was_written_and_writing_again_the_same_bytes(tmp_path, seed):
    stream = random_stream(seed)
    fap_file.write(tmp_path / "a.fap", stream)
    read = fap_file.read(tmp_path / "a.fap")
    assert_same(stream, read)
    fap_file.write(tmp_path / "b.fap", read)
    assert (tmp_path / "a.fap").read_bytes() == (tmp_path / "b.fap").read_bytes()


def test_reads_a_public_recording_with_comments_and_windows_line_ends(tmp_path):
    (tmp_path / "joy.fap").write_bytes(("# reconstructed fap file\r\n" + SMILE.replace("\n", "\r\n") + "\r\n").encode())
    read = fap_file.read(tmp_path / "joy.fap")
    assert (read.name, read.fps, len(read)) == ("joy.fap", 10.0, 2)
    assert read.values[1, fap.COLUMN["raise_r_i_eyebrow"]] == 23
    assert read.values[1, fap.COLUMN["raise_r_cornerlip_o"]] == 9
    assert read.selected.sum() == 36 and not read.values[0].any()


def test_visemes_and_expressions_have_four_and_six_numbers(tmp_path):
    mask = " ".join(["1", "1", "1"] + ["0"] * 65)
    (tmp_path / "a.fap").write_text(f"2.1 a 25 1\n{mask}\n0 3 14 63 0 6 50 1 13 1 0 -120\n")
    read = fap_file.read(tmp_path / "a.fap")
    assert read.viseme.tolist() == [[3, 14, 63, 0]] and read.expression.tolist() == [[6, 50, 1, 13, 1, 0]]
    assert read.values[0, 2] == -120 and not read.values[0, :2].any()


_HIGH = " ".join(["1"] + ["0"] * 67)
_VALUES = "1 0 23 -7 0 0 0 0 0 0 0 14 14 0 0 -19 -38 0 9"
DAMAGE = {
    "header": (SMILE.replace("2.1", "3.0"), "line 1 must be the header"),
    "short header": (SMILE.replace(" joy.fap", ""), "line 1 must be the header"),
    "header without a rate": (SMILE.replace(" 10 2", " fast 2"), "line 1 must be the header"),
    "infinite rate": (SMILE.replace(" 10 2", " inf 2"), "line 1 must be the header"),
    "no rate": (SMILE.replace(" 10 2", " 0 2"), "line 1 gives 0.0 frames a second"),
    "no frames": (SMILE.replace(" 10 2", " 10 0"), "line 1 promises 0 frames"),
    "unknown group": (SMILE.replace(MASK, MASK + " 1", 1), "line 2 has 69 mask bits instead of 68"),
    "missing mask bit": (SMILE.replace(MASK, MASK[2:], 1), "line 2 has 67 mask bits instead of 68"),
    "unknown mask bit": (SMILE.replace(MASK, MASK[:-1] + "2", 1), "line 2 has the mask bit '2'"),
    "too few values": (SMILE.replace(_VALUES, _VALUES[:-2]), "line 5 has 17 values where its mask selects 18"),
    "too many values": (SMILE.replace(_VALUES, _VALUES + " 1"), "line 5 has 19 values where its mask selects 18"),
    "NaN": (SMILE.replace("-38", "nan"), "line 5 has 'nan', which is no whole number"),
    "infinity": (SMILE.replace("-38", "-inf"), "line 5 has '-inf', which is no whole number"),
    "fraction": (SMILE.replace("-38", "-38.5"), "line 5 has '-38.5', which is no whole number"),
    "word": (SMILE.replace("-38", "-3_8"), "line 5 has '-3_8', which is no whole number"),
    "large": (SMILE.replace("-38", "2147483648"), "line 5 has a value beyond 32 bits"),
    "order": (SMILE.replace(_VALUES, "2" + _VALUES[1:]), "line 5 is of frame 2 where frame 1 belongs"),
    "truncated": ("\n".join(SMILE.splitlines()[:3]), "ends after 1 of 2 frames"),
    "truncated in a frame": ("\n".join(SMILE.splitlines()[:4]), "line 4 is the mask of frame 1"),
    "more frames": (SMILE.replace(" 10 2", " 10 1"), "line 4 goes on after the 1 frames"),
    "unknown viseme": (f"2.1 a 25 1\n{_HIGH}\n0 15 0 63 0\n", "line 3 has viseme_select1 15, which is not 0 to 14"),
    "no blend": (f"2.1 a 25 1\n{_HIGH}\n0 1 0 64 0\n", "line 3 has viseme_blend 64, which is not 0 to 63"),
    "only comments": ("# nothing\n", "holds no lines"),
    "binary": (b"\xff\xfe\x00\x81".decode("latin-1"), "line 1 must be the header"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_refused_in_one_line_that_names_the_place(tmp_path, kind):
    text, message = DAMAGE[kind]
    path = tmp_path / "bad.fap"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        fap_file.read(path)
    assert str(path) in str(caught.value) and message in str(caught.value) and "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "bad.fap").write_bytes(b"2.1 a 25 1\n\xff\xfe\n")
    with pytest.raises(InputError, match="is no .fap text"):
        fap_file.read(tmp_path / "bad.fap")


@settings(max_examples=150, deadline=None, derandomize=True)
@given(place=st.integers(0, len(SMILE)), new=st.text("0129-.#\nxn ", max_size=6), cut=st.integers(0, 9))
def test_any_edit_is_read_or_refused(tmp_path_factory, place, new, cut):
    path = tmp_path_factory.getbasetemp() / "edited.fap"
    path.write_text(SMILE[:place] + new + SMILE[place + cut :])
    try:
        read = fap_file.read(path)
    except InputError as error:
        assert "\n" not in str(error).replace(str(path), "")
    else:
        fap_file.write(path, read)
        assert_same(read, fap_file.read(path))


@pytest.mark.parametrize(
    "change",
    [
        {"fps": float("nan")},
        {"name": "two\nlines"},
        {"name": ""},
        {"version": "1.0"},
        {"values": np.eye(5, 68, dtype=int)},
        {"viseme": np.full((5, 4), -1)},
    ],
)
def test_what_the_format_cannot_hold_is_not_written(tmp_path, change):
    with pytest.raises(InputError):
        fap_file.write(tmp_path / "a.fap", dataclasses.replace(random_stream(0), **change))
    with pytest.raises(InputError):
        fap_file.write(tmp_path / "a.fap", fap_stream.stream(np.zeros((0, 68)), 25.0))
    assert not list(tmp_path.iterdir())
