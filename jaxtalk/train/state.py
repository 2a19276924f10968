"""What training carries from step to step: one State per network, a plain pytree."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Key, PyTree


@flax.struct.dataclass
class State:
    """Parameters, mutable collections (batch statistics), optimiser and averaged parameters of one network."""

    # Annotated loosely: orbax and jax rebuild the same tree with shardings, None or shapes for leaves.
    step: PyTree  # int32 []
    params: PyTree
    stats: PyTree  # flax's "batch_stats"; {} for networks without
    optimizer: PyTree
    average: PyTree  # exponential moving average of params; what is evaluated and exported
    rng: PyTree  # key []; never split: every step folds its number in, so a resumed run draws the same

    @property
    def variables(self) -> dict[str, Any]:
        """What `module.apply` takes, with the averaged parameters."""
        return {"params": self.average, "batch_stats": self.stats} if self.stats else {"params": self.average}


def create(variables: dict[str, Any], optimizer: optax.GradientTransformation, rng: Key[Array, ""]) -> State:
    """A fresh state from what `module.init` returned."""
    params = variables["params"]
    return State(
        step=jnp.zeros((), jnp.int32),
        params=params,
        stats=variables.get("batch_stats", {}),
        optimizer=optimizer.init(params),
        average=jax.tree.map(jnp.copy, params),  # a copy: donated buffers must not alias
        rng=rng,
    )
