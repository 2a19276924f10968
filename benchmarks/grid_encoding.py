"""Points a second of the grid encoding and its gradients, ours and a plain one on PyTorch. Prints JSON lines.

    python benchmarks/grid_encoding.py                               2^18 points, the published 3-D grid
    python benchmarks/grid_encoding.py --dims 2 --kind hashed --log2-points 20

Three works: the features; features and the gradient of the table; features, and the gradients of table and points. Each
side is a process of its own, so that peak memory is its own; the two of a work take turns, one call each. PyTorch's
(`pip install 'jaxtalk[bench]'`) is a loop over levels and corners with the same rows and weights; `differences` are
largest ones from ours over the largest value, for features and for each gradient. `first_s` is the compilation, or the
first call on PyTorch. `least_cpu_s` is what all threads worked at least, which other work on the machine disturbs less
than the time; PyTorch's threads wait busily, so there keep to one core (`taskset -c 0`).
"""

import argparse
import functools
import importlib.util
import itertools
import os
import tempfile
from pathlib import Path

import numpy as np
import timing

from jaxtalk.render import grid_encoding
from jaxtalk.train import measure

WORKS = ("features", "table", "table_and_points")


def given(options, config: grid_encoding.Config) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A table, points in [-1, 1]^D, and what the features are multiplied by before they are summed up."""
    draw, count = np.random.default_rng(0), 2**options.log2_points
    table = draw.standard_normal((config.rows, config.features), np.float32)
    points = draw.uniform(-1, 1, (count, config.dims)).astype(np.float32)
    return table, points, draw.standard_normal((count, config.width), np.float32)


class Ours:
    def __init__(self, options, config: grid_encoding.Config):
        import jax

        self._given = jax.device_put(given(options, config))

        def run(table, points, cotangent):
            if options.work == "features":
                return (grid_encoding.encode(table, points, config),)
            if options.work == "table":
                features, pull = jax.vjp(lambda table: grid_encoding.encode(table, points, config), table)
            else:
                features, pull = jax.vjp(lambda *given: grid_encoding.encode(*given, config), table, points)
            return features, *pull(cotangent)

        self._wait = jax.block_until_ready
        self._call, taken = measure.timed(lambda: jax.jit(run).lower(*self._given).compile())
        self.first_s = taken.seconds

    def run(self):
        return self._wait(self._call(*self._given))


class Theirs:
    def __init__(self, options, config: grid_encoding.Config):
        import torch

        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self._torch, self._config, self._work = torch, config, options.work
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._table, self._points, self._cotangent = (
            torch.from_numpy(x).to(self._device) for x in given(options, config)
        )
        self._table.requires_grad_(options.work != "features")
        self._points.requires_grad_(options.work == "table_and_points")
        self.first_s = measure.timed(self.run)[1].seconds

    def run(self):
        features = self._encode()
        asked = [x for x in (self._table, self._points) if x.requires_grad]
        gradients = self._torch.autograd.grad(features, asked, self._cotangent) if asked else ()
        if self._device == "cuda":
            self._torch.cuda.synchronize()
        return features.detach(), *gradients

    def _encode(self):
        """Resolutions and strides are our numbers; the arithmetic is PyTorch's."""
        torch, config = self._torch, self._config
        unit, levels, features = (self._points + 1) / 2, grid_encoding._levels(config), []
        for level, (start, rows) in enumerate(zip(config.offsets, config.level_rows, strict=False)):
            table = self._table[start : start + rows]
            place = unit * float(levels.scale[level]) + 0.5
            low = place.floor()
            upper, cells, total = place - low, low.long().unbind(1), 0
            for corner in itertools.product((0, 1), repeat=config.dims):
                places = [cell + step for cell, step in zip(cells, corner, strict=True)]
                if levels.hashed[level]:
                    products = [cell * int(prime) for cell, prime in zip(places, grid_encoding.PRIMES, strict=False)]
                    row = functools.reduce(torch.bitwise_xor, products) & (2**32 - 1)
                else:
                    row = sum(cell * int(stride) for cell, stride in zip(places, levels.strides[level], strict=True))
                sides = [part if step else 1 - part for part, step in zip(upper.unbind(1), corner, strict=True)]
                weight = functools.reduce(torch.mul, sides)
                total = total + weight[:, None] * table.index_select(0, row % rows)
            features.append(total)
        return torch.cat(features, 1)


def work(options, config: grid_encoding.Config) -> None:
    """One side, which leaves its results in a file."""
    side = (Ours if options.side == "ours" else Theirs)(options, config)

    def keep(results) -> dict:
        np.savez(options.keep, *(np.asarray(x if options.side == "ours" else x.cpu()) for x in results))
        return {}

    timing.serve(side.run, side.first_s, keep)


def compare(options, folder: Path) -> dict:
    """Both sides of a work, in turns."""
    sides = ["ours", *(["pytorch"] if importlib.util.find_spec("torch") else [])]
    arguments = ["--work", options.work, "--dims", options.dims, "--kind", options.kind]
    arguments += ["--log2-points", options.log2_points]
    workers = {side: timing.Worker("--side", side, "--keep", folder / f"{side}.npz", *arguments) for side in sides}
    taken = measure.turns({side: worker.time for side, worker in workers.items()}, options.rounds)
    result: dict = {"work": options.work}
    for side, worker in workers.items():
        last, figures = worker.finish(), measure.figures(taken[side])
        rate = {"points_per_s": 2**options.log2_points / figures["median_s"]}
        result[side] = {"first_s": worker.first} | rate | figures | last
    if len(sides) == 2:
        ours, theirs = (np.load(folder / f"{side}.npz") for side in sides)
        pairs = [(ours[name], theirs[name]) for name in ours.files]
        result["differences"] = [float(np.abs(a - b).max() / np.abs(a).max()) for a, b in pairs]
        result["ratio"] = result["pytorch"]["median_s"] / result["ours"]["median_s"]
        result["cpu_ratio"] = result["pytorch"]["least_cpu_s"] / result["ours"]["least_cpu_s"]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", choices=WORKS, help="only this one")
    parser.add_argument("--dims", type=int, default=3)
    parser.add_argument("--kind", choices=("tiled", "hashed"), default="tiled")
    parser.add_argument("--log2-points", type=int, default=18)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", choices=("ours", "pytorch"), help=argparse.SUPPRESS)
    parser.add_argument("--keep", help=argparse.SUPPRESS)
    options = parser.parse_args()
    config = grid_encoding.Config(dims=options.dims, kind=options.kind)
    if options.side:
        return work(options, config)
    about = timing.about("grid_encoding", dims=options.dims, kind=options.kind, points=2**options.log2_points)
    with tempfile.TemporaryDirectory() as folder:
        for name in [options.work] if options.work else WORKS:
            options.work = name
            timing.show(about | compare(options, Path(folder)))


if __name__ == "__main__":
    main()
