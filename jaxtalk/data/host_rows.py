"""Each process reads its own rows of a batch, so that batches and their order do not depend on how many processes run.

Rows go to processes as `train.parallel.put` expects them: the first process has the first rows.
"""

import sys
from collections.abc import Callable

import grain
import jax

from jaxtalk.errors import InputError


def batches(examples: grain.MapDataset, batch: int) -> grain.MapDataset:
    """This process's rows of batches of `batch` examples in order; only these examples are made.

    `batch` must be a multiple of the number of processes.
    """
    count, process = jax.process_count(), jax.process_index()
    if count == 1:
        return examples.batch(batch, drop_remainder=True)
    rows = _rows(batch)

    def own(place: int):
        number, row = divmod(place, rows)
        return examples[number * batch + process * rows + row]

    whole = len(examples) // batch if len(examples) < sys.maxsize else sys.maxsize // batch
    return grain.MapDataset.range(whole * rows).map(own).batch(rows)


def mixed(sources: list[tuple[int, Callable, float]], batch: int, seed: int) -> grain.MapDataset:
    """Endless batches of sources, each with its number of examples, what makes one (`make(index, rng)`), and its
    share of a batch; each source in its own shuffled order.
    """
    parts = [
        grain.MapDataset.range(count).seed(seed + i).shuffle().repeat().random_map(make)
        for i, (count, make, _) in enumerate(sources)
    ]
    return batches(grain.MapDataset.mix(parts, [share for *_, share in sources]), batch)


def own(batch: dict) -> dict:
    """This process's rows of a batch that was made whole: where rows depend on each other, or on draws for all."""
    if jax.process_count() == 1:
        return batch
    rows = _rows(len(next(iter(batch.values()))))
    start = jax.process_index() * rows
    return {name: values[start : start + rows] for name, values in batch.items()}


def _rows(batch: int) -> int:
    if batch % jax.process_count():
        raise InputError(f"a batch of {batch} does not divide among {jax.process_count()} processes; change --batch")
    return batch // jax.process_count()
