"""LPIPS: how unlike two pictures look to a network (Zhang et al., "The unreasonable effectiveness of deep features as a
perceptual metric", CVPR 2018, eq. 1). Lower is better, 0 for equal pictures; no unit.

A figure belongs to its network, layers, heads and size of pictures: papers report LPIPS with AlexNet and with VGG, and
the two cannot be compared. All this is version 0.1; version 0.0 did not scale its input and gives other figures.
"""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float


def lpips(
    a: Sequence[Float[Array, "*b _ _ _"]],
    b: Sequence[Float[Array, "*b _ _ _"]],
    heads: Sequence[Float[Array, "_"]] | None = None,
) -> Float[Array, "*b"]:
    """Distance of two lists of feature maps [*b, h, w, c], for each pair of pictures.

    d = sum_l mean_{h,w} sum_c head_lc (u_lhwc - v_lhwc)^2, where u and v are the features of layer l with length 1
    over the channels at each place. Heads are the published network's non-negative weights; without them each is 1,
    and the distance of one layer is 2 - 2 cos, averaged over places: from 0 to 2 behind ReLU, to 4 elsewhere. So a
    network of any kind serves, but its figures are not LPIPS's and must bear its name.

    `models.lpips.LPIPS` gives published features and heads. It takes pictures in [0, 1], where the original takes
    [-1, 1]: with the wrong range all distances are finite and wrong. A place where all features are 0 (black pictures,
    dead units) counts as the vector 0; there the gradient is 0, where the original's is not a number.
    """
    heads = [jnp.ones(x.shape[-1]) for x in a] if heads is None else heads
    return sum(
        jnp.matmul((unit(x) - unit(y)) ** 2, head.astype(jnp.float32), precision="highest").mean((-2, -1))
        for x, y, head in zip(a, b, heads, strict=True)
    )


def unit(features: Float[Array, "*p c"], epsilon: float = 1e-10) -> Float[Array, "*p c"]:
    """Each vector over the channels divided by its length + epsilon, in float32; 0 stays 0."""
    features = features.astype(jnp.float32)
    squares = (features**2).sum(-1, keepdims=True)
    some = squares > 0
    length = jnp.sqrt(jnp.where(some, squares, 1.0))  # the root of 0 has no gradient
    return jnp.where(some, features / (length + epsilon), 0.0)
