"""What every run can be told, whatever it trains."""

import dataclasses
from pathlib import Path

from jaxtalk.train.mesh import MeshShape


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where and on what a run trains, and what it tells; what it trains is the config's."""

    folder: Path | None = None
    """For checkpoints, log and weights; runs/NAME if not given. An interrupted run goes on from what is there."""
    mesh: MeshShape = MeshShape()
    """How devices share the work; the config's own way if nothing is given."""
    tensorboard: bool = False
    """Write event files into FOLDER/tensorboard, beside log.jsonl (pip install "jaxtalk[log]")."""
    wandb: str | None = None
    """Project of Weights & Biases to report to (pip install wandb)."""
    profile: int = 0
    """Steps to profile, from the tenth of this start on, into FOLDER/profile (read by xprof and Perfetto)."""
    compile_cache: Path | None = None
    """Folder of compiled programs, so that a restart need not compile; who can write there can run code here."""
    stall: float = 900.0
    """Seconds without a step after which the stacks of all threads are written to FOLDER/stacks-*.txt."""
