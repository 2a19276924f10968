"""What a config turns into: the pure functions and numbers that the training loop needs."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxtyping import PyTree


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """One training run. Every hook is a plain function; configs build it in their `experiment()`."""

    name: str
    init: Callable[[Any], PyTree]  # rng -> state
    step: Callable[[PyTree, dict], tuple[PyTree, dict]]  # pure; see train.step
    data: Callable[[], Any]  # grain dataset of batches (dicts of arrays), endless, in a fixed order
    steps: int
    evaluate: Callable[[PyTree], dict[str, float]] | None = None  # state -> numbers on held-out data
    export: Callable[[PyTree, Path], None] | None = None  # state, folder -> weights for users
    seed: int = 0
    log_every: int = 50
    evaluate_every: int = 500
    save_every: int = 500
