"""What optax lacks: Ranger, and parameters that stay as they are."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, PyTree

from jaxtalk.train import sharding


class _LookAheadState(NamedTuple):
    count: Int[Array, ""]
    fast: PyTree
    slow: PyTree


def look_ahead(fast: optax.GradientTransformation, every: int = 6, share: float = 0.5) -> optax.GradientTransformation:
    """LookAhead (Zhang et al., NeurIPS 2019, algorithm 1): each `every` steps slow weights go `share` of the way to the
    fast ones, which begin there again.

    optax.lookahead wants the two as one pair of parameters; here slow weights are part of the optimiser's state.
    """

    def init(params):
        return _LookAheadState(jnp.zeros((), jnp.int32), fast.init(params), jax.tree.map(jnp.copy, params))

    def update(gradient, state, params):
        change, inner = fast.update(gradient, state.fast, params)
        count = state.count + 1
        meet = count % every == 0

        def step(change, slow, fast):
            reached = slow + share * (fast + change - slow)
            return jnp.where(meet, reached - fast, change), jnp.where(meet, reached, slow)

        both = jax.tree.map(step, change, state.slow, params)
        change, slow = jax.tree.transpose(jax.tree.structure(params), jax.tree.structure((0, 0)), both)
        return change, _LookAheadState(count, inner, slow)

    return optax.GradientTransformation(init, update)


def ranger(rate: optax.ScalarOrSchedule, b1: float = 0.95, b2: float = 0.999) -> optax.GradientTransformation:
    """RAdam (Liu et al., ICLR 2020) that looks ahead, as Wright put them together, with his decays and steps."""
    return look_ahead(optax.radam(rate, b1=b1, b2=b2, eps=1e-5, threshold=5.0))


def freeze(
    optimizer: optax.GradientTransformation, frozen: Callable[[tuple[str, ...]], bool]
) -> optax.GradientTransformation:
    """`optimizer` for all parameters but those of whose path (their names from the root) `frozen` says True.

    What is frozen has no moments; it takes no memory but its own.
    """

    def label(params):
        def of(path, _):
            return "frozen" if frozen(sharding.names(path)) else "learnt"

        return jax.tree_util.tree_map_with_path(of, params)

    return optax.partition({"learnt": optimizer, "frozen": optax.set_to_zero()}, label)
