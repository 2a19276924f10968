"""Compositing marched samples in rounds, so that the field is not asked for what stands behind a wall. For inference.

In each round every ray that still needs some takes its next few samples: as many as make one evaluation of the field
of constant size, hence more when fewer rays are left (RAD-NeRF's inference loop). Memory does not grow with rounds.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from jaxtalk.render import compositing
from jaxtalk.render.compositing import STOP, Composite
from jaxtalk.render.march import Samples

EACH = 8  # samples that a ray takes in one round at most

# (ray [n], distance [n]) -> density [n], values [n c]: the field at points of rays. `ray` counts as in the samples.
Field = Callable[[Int[Array, "n"], Float[Array, "n"]], tuple[Float[Array, "n"], Float[Array, "n c"]]]


class _State(NamedTuple):
    drawn: Composite
    alive: Bool[Array, "r"]
    taken: Int[Array, ""]  # samples that each ray alive has taken
    round: Int[Array, ""]
    history: Int[Array, "s"]  # rays alive at the beginning of each round


def by_rounds(samples: Samples, field: Field, stop: float = STOP) -> tuple[Composite, Int[Array, "s"]]:
    """What `compositing.composite(..., samples.end, stop)` gives, within `stop`; and the rays alive in each round.

    A ray ends when its samples do or when less than `stop` of the light gets to one; that sample still counts, as in
    the reference. Not differentiable backwards: the number of rounds depends on the scene.
    """
    rays, most = samples.width.shape
    nothing = jnp.zeros(rays, jnp.int32)
    channels = jax.eval_shape(field, nothing, jnp.zeros(rays))[1].shape[-1]
    dark = Composite(jnp.zeros((rays, channels)), jnp.zeros(rays), jnp.zeros(rays))

    def more(state: _State):
        return jnp.any(state.alive) & (state.taken < most)

    def round_(state: _State) -> _State:
        living = jnp.sum(state.alive)
        each = jnp.clip(rays // living, 1, EACH)
        ray, sample = _slots(state, each)
        there = (ray < rays) & (sample < most)
        ray, sample = jnp.minimum(ray, rays - 1), jnp.minimum(sample, most - 1)
        density, values = field(ray, samples.distance[ray, sample])
        # Back to the rays: the j-th living ray has `each` slots from j each on.
        step = jnp.arange(EACH)[None]
        slot = (jnp.cumsum(state.alive) - 1)[:, None] * each + step
        mine = state.alive[:, None] & (step < each)
        slot = jnp.where(mine, slot, 0)
        width = jnp.where(mine & there[slot], samples.width[ray, sample][slot], 0.0)
        end = samples.end[ray, sample][slot]
        drawn, ended = _add(state.drawn, density[slot], width, values[slot], end, stop)
        # A ray goes on if it used all samples of the round: one that has fewer has no more.
        alive = state.alive & ~ended & jnp.all((width > 0) | (step >= each), -1)
        history = state.history.at[state.round].set(living)
        return _State(drawn, alive, state.taken + each, state.round + 1, history)

    start = _State(dark, jnp.ones(rays, bool), jnp.int32(0), jnp.int32(0), jnp.zeros(most, jnp.int32))
    state = lax.while_loop(more, round_, start)
    return state.drawn, state.history


def _slots(state: _State, each) -> tuple[Int[Array, "r"], Int[Array, "r"]]:
    """Ray and sample of each slot of a round; a ray that does not exist where the slot is left over."""
    rays = len(state.alive)
    slot = jnp.arange(rays)
    living = jnp.nonzero(state.alive, size=rays, fill_value=rays)[0]
    return living[slot // each], state.taken + slot % each


def _add(drawn: Composite, density, width, values, end, stop) -> tuple[Composite, Bool[Array, "r"]]:
    """The next samples of each ray behind what is drawn, and whether the ray is dark now."""
    light = (1 - drawn.opacity)[:, None] * compositing.transmittance(density, width)
    dark = (light < stop) & (width > 0)
    past = compositing.before(dark.astype(jnp.float32)) > 0
    share = (1 - drawn.opacity)[:, None] * compositing.weights(density, width)
    more = compositing.accumulate(jnp.where(past, 0.0, share), values, end)
    return jax.tree.map(jnp.add, drawn, more), jnp.any(dark, -1)
