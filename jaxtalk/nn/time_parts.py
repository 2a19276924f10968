"""Where a mesh splits the time of recordings: convolutions over time take overlapping parts, each on its own chips.

    x [b, n, c] --cut--> [parts * b, n', c] --convolutions without padding--> [parts * b, t / parts, o]
        --join--> [b, t, o]

Left alone, XLA would split each convolution itself and ask neighbours for what its window reaches over. What came out
was wrong without a word (jax 0.10.2 on CPUs): values, where a window of 128 was wider than a neighbour's part;
gradients of kernels, twice and four times too large, where a mesh also had 2 and 4 devices along `tensor`. So no
convolution is left to it. Without a mesh, or where it does not split time, both functions do nothing.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxtalk.errors import InputError


def ways() -> int:
    """Parts into which the mesh and the rules that this is traced for split time."""
    mesh, axes = jax.sharding.get_abstract_mesh(), nn.logical_to_mesh_axes(("time",))
    return 1 if mesh.empty or not axes or axes[0] is None else mesh.shape[axes[0]]


def cut(x: Float[Array, "b n c"], window: int, hop: int = 1) -> Float[Array, "p n2 c"]:
    """The parts of x of which each gives an equal share of all frames; a frame hears `window` values, `hop` apart.

    Raises:
        InputError: the frames do not divide among the parts.
    """
    count, frames = ways(), (x.shape[1] - window) // hop + 1
    if count == 1:
        return x
    if frames % count:
        raise InputError(f"{frames} frames do not divide among --mesh.sequence {count}; change it, or --seconds")
    own = hop * frames // count
    x = nn.with_logical_constraint(x, ("batch", None, None))  # a part needs more than what lies on its chip
    parts = jnp.stack([x[:, k * own : (k + 1) * own - hop + window] for k in range(count)])
    parts = nn.with_logical_constraint(parts, ("time", "batch", None, None))
    return nn.with_logical_constraint(parts.reshape(-1, *parts.shape[2:]), ("part", None, None))


def join(y: Float[Array, "p t2 c"]) -> Float[Array, "b t c"]:
    """What the parts have become, one after another."""
    count = ways()
    if count == 1:
        return y
    parts = y.reshape(count, -1, *y.shape[1:])
    parts = jnp.moveaxis(nn.with_logical_constraint(parts, ("time", "batch", None, None)), 0, 1)
    return nn.with_logical_constraint(parts.reshape(parts.shape[0], -1, y.shape[-1]), ("batch", "time", None))
