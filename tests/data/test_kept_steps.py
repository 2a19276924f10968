"""Long steps go on where they were broken off, with the same bytes; a refusal leaves nothing."""

import json
from typing import NamedTuple

import numpy as np
import pytest

from jaxtalk.data import kept_steps
from jaxtalk.errors import InputError

ROWS = np.random.default_rng(0).integers(0, 255, (40, 3, 5)).astype(np.uint8)


def test_an_array_that_was_broken_off_loses_one_piece_at_most(tmp_path):
    asked = []

    def rows(start, stop=None):
        for k in range(start, len(ROWS)):
            if k == stop:
                raise KeyboardInterrupt
            asked.append(k)
            yield ROWS[k]

    def grow(name, **stop):
        kept_steps.grown(tmp_path / name, ROWS.shape, lambda start: rows(start, **stop), "test", piece=8)

    grow("straight.npy")
    asked.clear()
    for stop in (5, 21, 31):
        with pytest.raises(KeyboardInterrupt):
            grow("broken.npy", stop=stop)
        assert not (tmp_path / "broken.npy").exists()
    grow("broken.npy")
    assert (tmp_path / "broken.npy").read_bytes() == (tmp_path / "straight.npy").read_bytes()
    assert len(asked) - len(ROWS) == 5 + 5 + 7  # what is done again: less than a piece each time
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.npy", "straight.npy"]
    grow("broken.npy", stop=0)  # is there: nothing is done


class Place(NamedTuple):
    x: np.ndarray
    y: np.ndarray


def test_rounds_that_were_broken_off_go_on_with_the_same_numbers(tmp_path):
    asked = []

    def carry(name, stop=None):
        def go_on(place):
            if len(asked) == stop:
                raise KeyboardInterrupt
            asked.append(place)
            return Place(np.sin(place.x + place.y), place.y / np.float32(3))

        begin = lambda: Place(np.arange(4, dtype=np.float32), np.float32(1))  # noqa: E731
        return kept_steps.carried(tmp_path / name, "test", begin, go_on, 6)

    straight = carry("straight.npz")
    asked.clear()
    with pytest.raises(KeyboardInterrupt):
        carry("broken.npz", stop=4)
    for _ in range(2):  # the second time everything is there
        for one, other in zip(carry("broken.npz"), straight, strict=True):
            np.testing.assert_array_equal(one, other)
    assert len(asked) == 6


def test_a_refusal_gives_the_folder_back_and_an_interruption_keeps_it(tmp_path):
    folder = tmp_path / "me" / "data"

    def claimed(error, settings=1):
        with kept_steps.claimed(folder, "settings.json", {"of": settings}, "thing", "kept"):
            (folder / "kept").write_text("some of it")
            if error:
                raise error

    with pytest.raises(InputError):
        claimed(InputError("no"))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyboardInterrupt):
        claimed(KeyboardInterrupt())
    with pytest.raises(InputError, match="other settings"):
        claimed(None, settings=2)
    assert json.loads((folder / "settings.json").read_text()) == {"of": 1} and (folder / "kept").exists()
    (folder / "mine.txt").write_text("whoever put that here keeps it")
    with pytest.raises(InputError):
        claimed(InputError("no"))
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
