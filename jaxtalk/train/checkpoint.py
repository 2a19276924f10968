"""Checkpoints: state and data position together, so that a resumed run equals an uninterrupted one."""

from pathlib import Path

import jax
from jaxtyping import PyTree
from orbax.checkpoint import v1 as ocp


class Checkpoints:
    """The checkpoints of one run, in `folder`; the newest `keep` of them stay."""

    def __init__(self, folder: Path, keep: int = 2):
        policies = ocp.training.preservation_policies
        self._checkpointer = ocp.training.Checkpointer(
            Path(folder).absolute(), preservation_policy=policies.LatestN(keep)
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._checkpointer.close()

    @property
    def latest(self) -> int | None:
        """Step of the newest checkpoint, None where there is none."""
        return self._checkpointer.latest.step if self._checkpointer.latest else None

    def save(self, step: int, state: PyTree, data) -> None:
        """Writes the state and the data iterator in the background; nothing happens if `step` is there already."""
        if self.latest != step:
            self._checkpointer.save_checkpointables_async(step, {"state": state, "data": data})

    def restore(self, like: PyTree, data) -> PyTree:
        """The newest state, with the shapes and shardings of `like`; `data` is moved to its place in the stream."""

        def abstract(x):
            return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding)

        wanted = {"state": jax.tree.map(abstract, like), "data": data}
        return self._checkpointer.load_checkpointables(self.latest, wanted)["state"]
