"""What a config turns into: the pure functions and numbers that the training loop needs."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from jaxtyping import PyTree

from jaxtalk.train.checkpoint import Best
from jaxtalk.train.mesh import MeshShape
from jaxtalk.train.sharding import RULES, ShardingRules
from jaxtalk.train.show import Shown


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """One training run. Every hook is a plain function; configs build it in their `experiment()`."""

    name: str
    init: Callable[[Any], PyTree]  # rng -> state
    step: Callable[[PyTree, dict], tuple[PyTree, dict]]  # pure; see train.step
    data: Callable[
        [], Any
    ]  # grain dataset of this process's rows of batches (data.host_rows), endless, in a fixed order
    steps: int
    evaluate: Callable[[PyTree], dict[str, float]] | None = None  # state -> numbers on held-out data
    show: Callable[[PyTree], dict[str, Shown]] | None = None  # state -> what to look at beside the parameters
    export: Callable[[PyTree, Path], None] | None = None  # state, folder -> weights for users
    seed: int = 0
    log_every: int = 50
    evaluate_every: int = 500
    save_every: int = 500
    keep: int = 2  # newest checkpoints that stay
    keep_every: int | None = None  # those of steps that are multiples of it stay for ever
    best: Best | None = None  # and the best by a number of `evaluate`
    skips: int = 10  # steps in a row without a finite gradient after which a run gives up
    mesh: MeshShape = MeshShape()
    rules: ShardingRules = RULES
    batch: dict[str, jax.ShapeDtypeStruct] | None = None  # of all processes, for planning where there is no data
    flops: float | None = None  # of the model in a step, forward and backward, counted on paper
