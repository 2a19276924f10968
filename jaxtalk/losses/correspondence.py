"""Pictures compared where they correspond, not where they are (Geng, Hamilton and Owens, CVPR 2022, sec. 3).

    loss(warp(made, (1 - e) flow(true -> made)), true) + loss(warp(true, (1 - e) flow(made -> true)), made)

A texture that is a few pixels off costs only what is left of the way, e of it, instead of a blurred compromise. Flows
are constants. With e = 1 it is the plain loss in both directions; the dubbing paper goes from 0.1 to 0.2.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxtalk.render.flow_warp import flow_warp

Picture = Float[Array, "b h w c"]
Compare = Callable[[Array, Array], Float[Array, "b"]]
Follow = Callable[[Array, Array], Float[Array, "b h w 2"]]


def l1(made: Picture, true: Picture) -> Float[Array, "b"]:
    """Mean absolute difference."""
    return jnp.abs(made - true).mean((1, 2, 3))


def correspondence(
    follow: Follow, made: Picture, true: Picture, rest: float | Float[Array, ""] = 0.1, compare: Compare = l1
) -> Float[Array, "b"]:
    """`compare` of aligned pictures, both ways; `rest` is e.

    `follow(first, second)` tells for each pixel of the first where it is in the second: `models.raft`.
    """
    first, second = jnp.concatenate([true, made]), jnp.concatenate([made, true])
    flow = jax.lax.stop_gradient((1 - rest) * follow(*jax.lax.stop_gradient((first, second))))
    aligned = flow_warp(second, flow)
    both = compare(aligned, first)
    return both[: len(made)] + both[len(made) :]
