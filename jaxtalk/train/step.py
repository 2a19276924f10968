"""Train steps: `step(state, batch) -> (state, metrics)`, pure, unjitted, ignorant of devices."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key, PyTree

from jaxtalk.metrics.mean import Mean
from jaxtalk.train.state import State

Batch = dict[str, Array]
Metrics = dict[str, Mean]
# loss(params, stats, batch, rng) -> (what is minimised, (new stats, metrics))
Loss = Callable[[PyTree, PyTree, Batch, Key[Array, ""]], tuple[Float[Array, ""], tuple[PyTree, Metrics]]]


def make_step(loss: Loss, optimizer: optax.GradientTransformation, average: float = 0.999):
    """One gradient step on `loss`; `average` is the decay of the exponential moving average of the parameters.

    Early on the decay is (1 + step) / (10 + step) where that is smaller, so that the average forgets its start.
    """

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        rng = jax.random.fold_in(state.rng, state.step)
        gradient, (stats, metrics) = jax.grad(loss, has_aux=True)(state.params, state.stats, batch, rng)
        state = update(state, gradient, stats, optimizer, average)
        return state, metrics | {"gradient_norm": Mean.of(optax.tree.norm(gradient))}

    return step


def update(state: State, gradient: PyTree, stats: PyTree, optimizer: Any, average: float) -> State:
    """The state after one optimiser step along `gradient`."""
    change, optimizer_state = optimizer.update(gradient, state.optimizer, state.params)
    params = optax.apply_updates(state.params, change)
    decay = jnp.minimum(average, (1.0 + state.step) / (10.0 + state.step))
    averaged = jax.tree.map(lambda a, p: a + (1.0 - decay) * (p - a), state.average, params)
    return state.replace(step=state.step + 1, params=params, stats=stats, optimizer=optimizer_state, average=averaged)


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
            for more in made:
                batch = batch | more
            states = states | {name: update(state, gradient, stats, optimizers[name], average)}
            metrics |= {f"{name}/{key}": value for key, value in own.items()}
        return states, metrics

    return step
