"""Which axis of the mesh each parameter and activation is split along: one table of names for all networks.

Parameters keep plain arrays in plain trees; what splits them is found from the last names of their paths. So the same
rules place what has the paths of parameters inside it: optimiser moments and averages.
"""

import dataclasses
import math

import flax.linen as nn
import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from jaxtalk.train.mesh import BATCH_AXES

# The last names of a parameter's path -> logical names of its axes. Megatron's cut (Shoeybi et al., 2019, sec. 3): what
# widens is split by columns, what narrows by rows, so that one sum over `tensor` ends each block.
PARAMETERS = {
    **{("attention", name, "kernel"): ("embed", "heads") for name in ("query", "key", "value")},
    **{("attention", name, "bias"): ("heads",) for name in ("query", "key", "value")},
    ("attention", "out", "kernel"): ("heads", "embed"),
    ("widen", "kernel"): ("embed", "hidden"),
    ("widen", "bias"): ("hidden",),
    ("narrow", "kernel"): ("hidden", "embed"),
}

# Logical names -> axes of the mesh. Models name the axes of activations by `nn.with_logical_constraint`. A part is a
# stretch of an example's time (`nn/time_parts.py`).
AXES = {
    "batch": BATCH_AXES,
    "time": "sequence",
    "part": ("sequence", *BATCH_AXES),
    "heads": "tensor",
    "hidden": "tensor",
    "embed": None,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShardingRules:
    """How a state is laid out on a mesh."""

    parameters: dict[tuple[str, ...], tuple[str | None, ...]] = dataclasses.field(default_factory=lambda: PARAMETERS)
    axes: dict[str, str | tuple[str, ...] | None] = dataclasses.field(default_factory=lambda: AXES)
    smallest: int = 2**12
    """Arrays of fewer elements stay whole on every device."""

    def logical(self):
        """A context in which models' activations are held where these rules put them."""
        return nn.logical_axis_rules(tuple(self.axes.items()))

    def spec(self, path: tuple, shape: tuple[int, ...], mesh: Mesh) -> PartitionSpec:
        """Where one array of the state lives.

        The table's axes come first; `fsdp` takes the largest axis that is left and that it divides. An axis that a mesh
        axis does not divide stays whole.
        """
        if math.prod(shape) < self.smallest:
            return PartitionSpec()
        logical = self._logical(names(path), shape)
        axes = [self._mesh_axis(name, length, mesh) for name, length in zip(logical, shape, strict=True)]
        ways = mesh.shape["fsdp"]
        free = [i for i, axis in enumerate(axes) if axis is None and shape[i] % ways == 0]
        if ways > 1 and free:
            axes[max(free, key=lambda i: shape[i])] = "fsdp"
        return PartitionSpec(*axes)

    def shardings(self, state: PyTree, mesh: Mesh) -> PyTree:
        """A sharding for each array of a state, given as arrays or as their shapes."""
        return jax.tree_util.tree_map_with_path(
            lambda path, x: NamedSharding(mesh, self.spec(path, x.shape, mesh)), state
        )

    def _logical(self, path: tuple[str, ...], shape: tuple[int, ...]) -> tuple[str | None, ...]:
        for tail, axes in self.parameters.items():
            if path[-len(tail) :] == tail and len(axes) == len(shape):
                return axes
        return (None,) * len(shape)

    def _mesh_axis(self, name: str | None, length: int, mesh: Mesh) -> str | None:
        axis = None if name is None else self.axes[name]
        return axis if axis is not None and mesh.shape[axis] > 1 and length % mesh.shape[axis] == 0 else None


def names(path: tuple) -> tuple[str, ...]:
    """The names on a path of jax.tree_util: keys of dicts, fields, places in tuples."""
    return tuple(str(getattr(part, "key", getattr(part, "name", getattr(part, "idx", part)))) for part in path)


RULES = ShardingRules()
