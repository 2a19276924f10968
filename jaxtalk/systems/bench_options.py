"""What `jaxtalk bench` can be told. Imports nothing heavy, so that `--help` answers at once."""

import dataclasses
import itertools
from pathlib import Path
from typing import Annotated

import tyro

from jaxtalk.errors import InputError

TRAINING = ("loader", "step", "end_to_end", "checkpoint")  # of a config
NAMES = (*TRAINING, "inference")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """Says how fast this machine is: lines of JSON, with all that they depend on.

    jaxtalk bench (the shipped networks listen and draw)

    jaxtalk bench --config hubert [--field value ...] (loader, step, end_to_end, checkpoint of one config)

    jaxtalk bench step end_to_end --config hubert --size large -o runs.jsonl (only these)

    jaxtalk bench --report before.jsonl after.jsonl -o page.html (jaxtalk bench --report --help)
    """

    rounds: int = 7
    """Of which the median is taken, after one to warm up."""
    round_seconds: float = 1.0
    """How long a round lasts; a longer step is a round of its own."""
    side: int = 512
    """Pixels of the square video of `inference`."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """File to which the lines are appended."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Compares what several runs of `jaxtalk bench` wrote, on one page.

    jaxtalk bench --report before.jsonl after.jsonl -o page.html
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Files of one run each; the others are compared with the first."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("bench.html")
    """Page to write."""


def split(arguments: list[str]) -> tuple[list[str], str | None, list[str]]:
    """What to time, the config it is timed on, and the other arguments.

    Raises:
        InputError: there is no such benchmark, or it needs a config.
    """
    names = list(itertools.takewhile(lambda argument: not argument.startswith("-"), arguments))
    config, rest = _config(arguments[len(names) :])
    if unknown := [name for name in names if name not in NAMES]:
        raise InputError(f"no benchmark {unknown[0]!r}; there are {', '.join(NAMES)}")
    if config is None and (homeless := [name for name in names if name in TRAINING]):
        raise InputError(f"{homeless[0]}: is timed on a config; give --config NAME, as jaxtalk train has it")
    return names or (["inference"] if config is None else list(TRAINING)), config, rest


def _config(arguments: list[str]) -> tuple[str | None, list[str]]:
    """The value of --config, and what else there is."""
    for i, argument in enumerate(arguments):
        if argument == "--config" and i + 1 < len(arguments):
            return arguments[i + 1], arguments[:i] + arguments[i + 2 :]
        if argument.startswith("--config="):
            return argument.removeprefix("--config="), arguments[:i] + arguments[i + 1 :]
    return None, arguments
