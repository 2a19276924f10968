"""Compositing: from density and values at samples along rays to one value for each ray (NeRF, Mildenhall et al. 2020).

    density, width [r s], values [r s c] --> values [r c], depth [r], opacity [r]

Between samples the field counts as constant (Max 1995). A sample of width zero is not there, whatever the field says of
it, so rays with different numbers of samples share one padded array. Everything is float32, whatever the field is.

Gradients are those of autodiff, forward and backward: that of a cumulative sum is a cumulative sum, and what is kept
is a few arrays of the samples' shape. Rules by hand (closed form, triangular matrix, shifts, scan) save a tenth of the
time and a fifth of the memory at best, and most take longer: `benchmarks/compositing.py` measures them.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

STOP = 1e-4  # of the light: RAD-NeRF takes no sample behind this


class Composite(NamedTuple):
    """What rays see in front of a background. Values and depth are sums: divide by opacity for means."""

    values: Float[Array, "*r c"]
    depth: Float[Array, "*r"]
    opacity: Float[Array, "*r"]


def transmittance(density: Float[Array, "*r s"], width: Float[Array, "*r s"]) -> Float[Array, "*r s"]:
    """The share of light that gets to each sample: T_i = exp(-sum_{j<i} density_j width_j)."""
    return jnp.exp(-before(_optical_depth(density, width)))


def weights(density: Float[Array, "*r s"], width: Float[Array, "*r s"], stop: float = 0.0) -> Float[Array, "*r s"]:
    """What each sample contributes to its ray: T_i (1 - exp(-density_i width_i)), NeRF's eq. 3.

    They sum to 1 - the share of light that gets through, which belongs to the background. Samples that less than `stop`
    of the light gets to contribute nothing; then the sum falls short of it by up to `stop`.
    """
    depth = _optical_depth(density, width)
    light = jnp.exp(-before(depth))
    return jnp.where(light >= stop, -jnp.expm1(-depth) * light, 0.0)


def composite(
    density: Float[Array, "*r s"],
    width: Float[Array, "*r s"],
    values: Float[Array, "*r s c"],
    distance: Float[Array, "*r s"],
    stop: float = 0.0,
) -> Composite:
    """Any values (colour or features) and the distance of the samples, weighted with `weights`."""
    return accumulate(weights(density, width, stop), values, distance)


def accumulate(
    weights: Float[Array, "*r s"], values: Float[Array, "*r s c"], distance: Float[Array, "*r s"]
) -> Composite:
    """Sums along rays. Not as products of matrices, which chips would round to fewer digits."""
    values = jnp.sum(weights[..., None] * values.astype(jnp.float32), -2)
    return Composite(values, jnp.sum(weights * distance, -1), jnp.sum(weights, -1))


def over(front: Composite, background: Float[Array, "*r c"]) -> Float[Array, "*r c"]:
    """Values with the background shining through."""
    return front.values + (1 - front.opacity[..., None]) * background


def distortion(
    weights: Float[Array, "*r s"], middle: Float[Array, "*r s"], width: Float[Array, "*r s"]
) -> Float[Array, "*r"]:
    """Pulls the weights of a ray together (mip-NeRF 360, Barron et al. 2022, sec. 4); `middle` must not decrease.

    sum_ij w_i w_j |m_i - m_j| + 1/3 sum_i w_i^2 width_i, where sorted middles turn the double sum into running ones.
    Distances are best given as shares of the ray, from 0 to 1.
    """
    middle = middle - middle[..., :1]  # the difference below then loses no digits to the distance of the camera
    apart = 2 * jnp.sum(weights * (middle * before(weights) - before(weights * middle)), -1)
    return apart + jnp.sum(weights**2 * width, -1) / 3


def normals(
    density: Callable[[Float[Array, "*n 3"]], Float[Array, "*n"]], points: Float[Array, "*n 3"]
) -> Float[Array, "*n 3"]:
    """Unit vectors out of the matter: where density falls fastest; zero where it is flat. Each point by itself."""
    slope = jax.grad(lambda points: jnp.sum(density(points).astype(jnp.float32)))(points)
    square = jnp.sum(slope**2, -1, keepdims=True)
    return jnp.where(square > 0, -slope * jax.lax.rsqrt(jnp.where(square > 0, square, 1.0)), 0.0)


def before(values: Float[Array, "*r s"]) -> Float[Array, "*r s"]:
    """The sum of what comes before each entry.

    Shifted first: a total minus the entry itself would lose the others' digits where that is large, as at a surface.
    """
    shifted = jnp.concatenate([jnp.zeros_like(values[..., :1]), values[..., :-1]], -1)
    return jnp.cumsum(shifted, -1)


def _optical_depth(density, width):
    """density width, and zero without a gradient where there is no sample."""
    there = width > 0
    return jnp.where(there, density.astype(jnp.float32), 0.0) * jnp.where(there, width, 0.0).astype(jnp.float32)
