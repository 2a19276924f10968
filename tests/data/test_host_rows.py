import grain
import jax
import numpy as np
import pytest

from jaxtalk.data import host_rows
from jaxtalk.errors import InputError


def examples():
    order = grain.MapDataset.range(10).seed(3).shuffle().repeat()
    return order.random_map(lambda i, rng: {"index": np.int64(i), "draw": rng.uniform()})


def as_process(monkeypatch, process: int, count: int):
    monkeypatch.setattr(jax, "process_count", lambda: count)
    monkeypatch.setattr(jax, "process_index", lambda: process)


@pytest.mark.parametrize("count", [2, 4])
def test_the_rows_of_all_processes_are_the_batch_of_one(count, monkeypatch):
    whole = host_rows.batches(examples(), 4)
    wanted = [whole[number] for number in (0, 1, 7)]  # 7 lies beyond the first epoch
    rows = []
    for process in range(count):
        as_process(monkeypatch, process, count)
        own = host_rows.batches(examples(), 4)
        rows.append([own[number] for number in (0, 1, 7)])
        assert all(len(batch["index"]) == 4 // count for batch in rows[-1])
    for number, batch in enumerate(wanted):
        for name, values in batch.items():
            np.testing.assert_array_equal(np.concatenate([row[number][name] for row in rows]), values)


def test_a_process_makes_only_its_own_examples(monkeypatch):
    made = []
    as_process(monkeypatch, 1, 2)
    source = grain.MapDataset.range(8).map(lambda i: made.append(i) or {"index": i})
    host_rows.batches(source, 4)[1]
    assert sorted(made) == [6, 7]


def test_place_in_the_stream_is_the_number_of_the_batch_on_every_process(monkeypatch):
    as_process(monkeypatch, 1, 2)
    stream = iter(host_rows.batches(examples(), 4).to_iter_dataset())
    for _ in range(5):
        next(stream)
    assert stream.get_state() == {"next_index": 5}
    stream.close()


def test_rows_of_a_batch_that_was_made_whole(monkeypatch):
    whole = {"x": np.arange(6), "y": np.arange(12).reshape(6, 2)}
    assert host_rows.own(whole) is whole
    parts = []
    for process in range(3):
        as_process(monkeypatch, process, 3)
        parts.append(host_rows.own(whole))
    for name, values in whole.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), values)
    as_process(monkeypatch, 0, 4)
    with pytest.raises(InputError, match="a batch of 6 does not divide among 4 processes"):
        host_rows.own(whole)
