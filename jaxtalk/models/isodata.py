"""Modified ISODATA: finds the patterns of a moving face among its FAP vectors (Ball and Hall, 1965; the 2003 system).

objects [n, d] --assign to nearest class--> dissolve small ones --> means --split wide | merge near--> patterns [k, d]

The modifications: it begins with a single class, so nothing is random and splitting alone decides where classes arise;
classes live in a fixed number of places and a mask says which are taken, so that the whole search is one compiled
program; it ends on plain rounds of assigning and averaging, so the patterns are the means of what is nearest to them.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

_FAR = 1e30
_SETTLING = 5  # rounds without splits and merges at the end
_STEP = 0.5  # standard deviations by which the halves of a split class part


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Lengths are in the units of the objects."""

    expected: int = 29
    """Classes that are wanted; there may be up to twice as many, and half as many at least if the data allow."""
    minimum: int = 20
    """A class of fewer objects is dissolved."""
    split: float = 20.0
    """A class is split across the dimension of its largest standard deviation if that is larger than this."""
    merge: float = 40.0
    """Two classes whose centres are nearer than this become one."""
    pairs: int = 4
    """No more pairs than this are merged in one round."""
    iterations: int = 40


class Patterns(NamedTuple):
    """Class centres in `2 * expected` places, and how many objects each has: 0 where there is no class."""

    centres: Float[Array, "k d"]
    members: Int[Array, "k"]


def isodata(objects: Float[Array, "n d"], config: Config) -> Patterns:
    """The patterns of `objects`. Compiled once for all values of minimum, split and merge."""
    limits = jnp.array([config.minimum, config.split, config.merge], jnp.float32)
    return _search(objects, limits, config.expected, config.pairs, config.iterations)


@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def _search(objects, limits, expected: int, pairs: int, iterations: int) -> Patterns:
    places, (minimum, split, merge) = 2 * expected, limits
    first = jnp.zeros((places, objects.shape[1])).at[0].set(objects.mean(0))
    taken = jnp.arange(places) == 0

    def round_(state, i):
        centres, taken = _dissolved(objects, *state, minimum)
        few = taken.sum() <= expected // 2
        state = jax.lax.cond(
            few | ((taken.sum() < places) & (i % 2 == 0)),
            lambda: _split(objects, centres, taken, few, minimum, split),
            lambda: _merge(objects, centres, taken, pairs, merge),
        )
        return state, None

    def settle(state, _):
        return _dissolved(objects, *state, minimum), None

    state, _ = jax.lax.scan(round_, (first, taken), jnp.arange(iterations))
    (centres, taken), _ = jax.lax.scan(settle, state, length=_SETTLING)
    return Patterns(centres, _members(nearest(objects, centres, taken), places))


def found(patterns: Patterns) -> Float[Array, "p d"]:
    """The centres of the classes that there are, in order along the axis on which they differ most.

    Neighbours in number are then neighbours in shape, as far as one axis can tell. p depends on the data, so this is
    not for compiled code.
    """
    centres = np.asarray(patterns.centres)[np.asarray(patterns.members) > 0]
    axis = np.linalg.svd(centres - centres.mean(0), full_matrices=False)[2][0]
    axis = axis * np.sign(axis[np.abs(axis).argmax()])
    return jnp.asarray(centres[np.argsort(centres @ axis)])


def nearest(
    objects: Float[Array, "n d"], centres: Float[Array, "k d"], taken: Bool[Array, "k"] | None = None
) -> Int[Array, "n"]:
    """The place of the centre that is nearest to each object."""
    cross = jnp.matmul(objects, centres.T, precision="highest")
    distance = (centres**2).sum(-1)[None] - 2 * cross  # the objects' own squares change nothing
    return (distance if taken is None else jnp.where(taken[None], distance, _FAR)).argmin(-1)


def _members(own: Int[Array, "n"], places: int) -> Int[Array, "k"]:
    return (own[:, None] == jnp.arange(places)[None]).sum(0)


def _means(objects, own, centres):
    """Mean of each class (its old centre if it is empty), and its members."""
    belongs = (own[:, None] == jnp.arange(len(centres))[None]).astype(objects.dtype)
    members = belongs.sum(0)
    sums = jnp.matmul(belongs.T, objects, precision="highest")
    return jnp.where(members[:, None] > 0, sums / jnp.maximum(members, 1.0)[:, None], centres), members


def _dissolved(objects, centres, taken, minimum):
    """Classes after one round of assigning, without those that have too few objects; the largest always stays."""
    members = _members(nearest(objects, centres, taken), len(centres))
    taken = taken & ((members >= minimum) | (jnp.arange(len(centres)) == members.argmax()))
    centres, members = _means(objects, nearest(objects, centres, taken), centres)
    return centres, taken & (members > 0)


def _split(objects, centres, taken, few, minimum, split):
    """Each class that is wide, and both large and loose (or if classes are few), becomes two.

    They part by half a standard deviation to either side of the old centre.
    """
    places = len(centres)
    own = nearest(objects, centres, taken)
    _, members = _means(objects, own, centres)
    apart = objects - centres[own]
    variance, _ = _means(apart**2, own, centres * 0)
    deviation = jnp.sqrt(variance)
    distance = jnp.sqrt((apart**2).sum(-1, keepdims=True))
    looseness = _means(distance, own, centres[:, :1] * 0)[0][:, 0]
    loose = (looseness > distance.mean()) & (members > 2 * (minimum + 1))
    wide = taken & (deviation.max(-1) > split) & (loose | few)
    free = jnp.argsort(taken)  # the free places, then the taken ones
    rank = jnp.cumsum(wide) - 1
    wide = wide & (rank < (~taken).sum())
    target = jnp.where(wide, free[jnp.minimum(rank, places - 1)], places)  # `places` lies outside and is dropped
    across = jax.nn.one_hot(deviation.argmax(-1), centres.shape[1]) * deviation * _STEP
    halves = centres - jnp.where(wide[:, None], across, 0.0)
    halves = halves.at[target].set(centres + across, mode="drop")
    return halves, taken.at[target].set(True, mode="drop")


def _merge(objects, centres, taken, pairs: int, merge):
    """The nearest pairs of centres become their weighted means; a class takes part in one merge only."""
    members = _members(nearest(objects, centres, taken), len(centres)).astype(centres.dtype)
    gaps = jnp.sqrt(((centres[:, None] - centres[None]) ** 2).sum(-1))
    later = jnp.triu(jnp.ones_like(gaps, bool), 1)

    def one(_, state):
        centres, taken, fresh = state
        open_ = jnp.where(later & fresh[:, None] & fresh[None], gaps, _FAR)
        a, b = jnp.unravel_index(open_.argmin(), gaps.shape)
        near = open_[a, b] < merge
        joint = (members[a] * centres[a] + members[b] * centres[b]) / jnp.maximum(members[a] + members[b], 1.0)
        centres = centres.at[a].set(jnp.where(near, joint, centres[a]))
        taken = taken.at[b].set(taken[b] & ~near)
        fresh = fresh.at[jnp.stack([a, b])].set(fresh[jnp.stack([a, b])] & ~near)
        return centres, taken, fresh

    centres, taken, _ = jax.lax.fori_loop(0, pairs, one, (centres, taken, taken))
    return centres, taken
