"""What `jaxtalk plan` can be told, beside the fields of the config."""

import dataclasses
from pathlib import Path

from jaxtalk.train.mesh import MeshShape


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """For which chips a config's train step is compiled, and what is told of it."""

    topology: str = "v5p:4x4x4"
    """Slice of TPU chips: v5p:4x4x4 and v4:2x2x4 have three sides, v5e:4x8 and v6e:16x16 two."""
    slices: int = 1
    """How many such slices, which only the data-centre network connects."""
    rows: int = 0
    """Examples of a batch on each of the chips that split it; 0: the config's batch."""
    mesh: MeshShape = MeshShape()
    """How chips share the work; the config's own way if nothing is given."""
    tries: int = 0
    """Other meshes and batches to compile, at the most, in search of a faster step; each takes as long as the first."""
    quick: bool = False
    """Let the compiler search less for the fastest kernels, which takes a third of the time."""
    json: Path | None = None
    """File for all figures."""
    plot: Path | None = None
    """File for a picture (.png, .svg) of where the time goes and of scaling to 2048 chips."""
