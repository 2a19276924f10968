"""The perceptual loss of face-vid2vid: features of a pyramid of pictures (Wang et al., CVPR 2021, appendix A.2).

    made, true [b, h, w, 3] --blurred, every s-th pixel--> the same at 1/s --extract--> maps, mean |difference|

Published: relu1_1, relu2_1 ... relu5_1 of torchvision's VGG-19 with a weight of 10 each, at s = 1, 2, 4 and 8 (Johnson
et al., ECCV 2016, on a pyramid as in first-order motion models). Any function from pictures to maps will do.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxtalk.nn.shrink import shrink

Extract = Callable[[Float[Array, "b h w 3"]], Sequence[Float[Array, "b _ _ _"]]]
TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")  # of VGG-19
SCALES = (1, 2, 4, 8)


def perceptual(
    extract: Extract,
    made: Float[Array, "b h w 3"],
    true: Float[Array, "b h w 3"],
    weight: float = 10.0,
    scales: Sequence[int] = SCALES,
) -> Float[Array, "b"]:
    """Sum over scales and maps of weight * mean |difference|.

    The true picture is a constant. Leave out the scales at which a picture is too small for the network.
    """
    total = jnp.zeros(len(made))
    for scale in scales:
        mine = extract(shrink(made, scale))
        theirs = jax.lax.stop_gradient(extract(shrink(true, scale)))
        for a, b in zip(mine, theirs, strict=True):
            total = total + weight * jnp.abs(a - b).mean((1, 2, 3))
    return total
