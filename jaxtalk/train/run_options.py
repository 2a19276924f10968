"""What every run can be told, whatever it trains. Light, so that --help answers at once."""

import dataclasses
from pathlib import Path

from jaxtalk.train.mesh import MeshShape


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where and on what a run trains; what it trains is the config's."""

    folder: Path | None = None
    """For checkpoints, log and weights; runs/NAME if not given. An interrupted run goes on from what is there."""
    mesh: MeshShape | None = None
    """How devices share the work; the config's own if not given."""
    stall: float = 900.0
    """Seconds without a step after which the stacks of all threads are written to FOLDER/stacks-*.txt."""
