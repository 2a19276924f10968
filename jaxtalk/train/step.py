"""Train steps: `step(state, batch) -> (state, metrics)`, pure, unjitted, ignorant of devices."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Key, PyTree

from jaxtalk.metrics.mean import Mean
from jaxtalk.train.state import State

Batch = dict[str, Array]
Metrics = dict[str, Mean]
# loss(params, stats, batch, rng) -> (what is minimised, (new stats, metrics))
Loss = Callable[[PyTree, PyTree, Batch, Key[Array, ""]], tuple[Float[Array, ""], tuple[PyTree, Metrics]]]


def make_step(loss: Loss, optimizer: optax.GradientTransformation, average: float = 0.999):
    """One gradient step on `loss`; `average` is the decay of the exponential moving average of the parameters.

    Early on the decay is (1 + step) / (10 + step) where that is smaller, so that the average forgets its start. A step
    whose gradient is not finite moves nothing and counts as `skipped`.
    """

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        rng = jax.random.fold_in(state.rng, state.step)
        gradient, (stats, metrics) = jax.grad(loss, has_aux=True)(state.params, state.stats, batch, rng)
        return update(state, gradient, stats, metrics, optimizer, average)

    return step


def update(
    state: State,
    gradient: PyTree,
    stats: PyTree,
    metrics: Metrics,
    optimizer: optax.GradientTransformation,
    average: float,
) -> tuple[State, Metrics]:
    """The state after one optimiser step along `gradient`, and the metrics with the gradient's norm.

    Where the gradient is not finite only the number of the step goes on: parameters, statistics, optimiser and average
    stay as they are, to the bit, and of the metrics only `skipped` counts.
    """
    norm = optax.tree.norm(gradient)
    finite = jnp.isfinite(norm)
    change, optimizer_state = optimizer.update(gradient, state.optimizer, state.params)
    params = optax.apply_updates(state.params, change)
    decay = jnp.minimum(average, (1.0 + state.step) / (10.0 + state.step))
    averaged = jax.tree.map(lambda a, p: a + (1.0 - decay) * (p - a), state.average, params)
    moved = state.replace(
        step=state.step + 1,
        params=where(finite, params, state.params),
        stats=where(finite, stats, state.stats),
        optimizer=where(finite, optimizer_state, state.optimizer),
        average=where(finite, averaged, state.average),
    )
    metrics = metrics | {"gradient_norm": Mean.of(norm)}
    counted = where(finite, metrics, jax.tree.map(jnp.zeros_like, metrics))
    return moved, counted | {"skipped": Mean.of(1.0 - finite)}


def where(condition: Bool[Array, ""], new: PyTree, old: PyTree) -> PyTree:
    """One of two trees."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)


def make_adversarial_step(generator_loss, discriminator_loss, optimizers: dict[str, Any], average: float = 0.999):
    """A generator step, then a discriminator step on the same batch, as one pure function.

    The state is {"generator": State, "discriminator": State}. The losses are as `Loss`, but with the whole state
    after the batch: `loss(params, stats, batch, rng, states)`, so that each sees the other network as a constant.
    The generator's may return a third thing beside statistics and metrics: a dict that joins the batch as constants, so
    that what it made need not be made again. Without a discriminator's loss the generator learns alone.
    """
    losses = {"generator": generator_loss}
    if discriminator_loss is not None:
        losses["discriminator"] = discriminator_loss

    def step(states: dict[str, State], batch: Batch) -> tuple[dict[str, State], Metrics]:
        metrics: Metrics = {}
        for name, loss in losses.items():
            state = states[name]
            rng = jax.random.fold_in(state.rng, state.step)
            gradient, (stats, own, *made) = jax.grad(loss, has_aux=True)(state.params, state.stats, batch, rng, states)
            for constants in made:
                batch = batch | constants
            moved, own = update(state, gradient, stats, own, optimizers[name], average)
            states = states | {name: moved}
            metrics |= {f"{name}/{key}": value for key, value in own.items()}
        return states, metrics

    return step
