"""Puts drawn pictures back into a larger one without a seam (Poisson image editing: Perez et al., SIGGRAPH 2003).

    around the border: what is there - what was drawn --membrane--> correction of every pixel;  drawn + correction

The membrane is the smooth surface (zero Laplacian) through the differences at the border. So the border stays as it is,
and inside the result has the Laplacian of what was drawn: details are kept, a difference of colour is spread out. This
is what OpenCV's seamlessClone solves iteratively for each frame. In a rectangle the solution is known: a sine wave
along one side dies away inwards at a rate of its own. So each frame takes two products of matrices, and no iteration.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class Waves(NamedTuple):
    """Sine waves along a side, and how they die away across."""

    along: Float[Array, "k n"]  # orthonormal: its own inverse
    across: Float[Array, "m k"]  # from the side, which is not counted, to the other one


class Membrane(NamedTuple):
    """What `paste` needs for rectangles of one size."""

    horizontal: Waves  # from the upper and lower side
    vertical: Waves  # from the left and right side


def membrane(height: int, width: int) -> Membrane:
    """For rectangles of height x width pixels, their border among them; at least 3 x 3."""
    if min(height, width) < 3:
        raise ValueError(f"{height} x {width} pixels have no inside")
    return Membrane(_waves(width - 2, height - 2), _waves(height - 2, width - 2))


def _waves(along: int, across: int) -> Waves:
    """u(y + 1) + u(y - 1) = 2 cosh(a) u(y) for a wave with cosh(a) = 2 - cos(pi k / (n + 1)), u = 0 at the far side."""
    k = np.arange(1, along + 1)
    sines = np.sqrt(2 / (along + 1)) * np.sin(np.pi * np.outer(k, k) / (along + 1))
    rate = np.arccosh(2 - np.cos(np.pi * k / (along + 1)))
    y = np.arange(1, across + 1)[:, None]
    fall = np.exp(-y * rate) * np.expm1(-2 * (across + 1 - y) * rate) / np.expm1(-2 * (across + 1) * rate)
    return Waves(jnp.asarray(sines, jnp.float32), jnp.asarray(fall, jnp.float32))


def stretch(pictures: Float[Array, "b h w c"], height: int, width: int) -> Float[Array, "b h2 w2 c"]:
    """Pictures at another size, bicubic, averaged where they get smaller."""
    if pictures.shape[1:3] == (height, width):
        return pictures
    return jax.image.resize(pictures, (len(pictures), height, width, pictures.shape[3]), "cubic")


def paste(made: Membrane, around: Float[Array, "h w c"], drawn: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Pictures whose border is that of `around`, and whose inside is `drawn` but for a smooth difference."""
    difference = around[None] - drawn
    upper, lower = difference[:, 0, 1:-1], difference[:, -1, 1:-1]
    left, right = difference[:, 1:-1, 0], difference[:, 1:-1, -1]
    correction = _from_sides(made.horizontal, upper, lower)
    correction += jnp.swapaxes(_from_sides(made.vertical, left, right), 1, 2)
    inside = drawn[:, 1:-1, 1:-1] + correction
    whole = jnp.broadcast_to(around[None], drawn.shape)
    return whole.at[:, 1:-1, 1:-1].set(inside)


def _from_sides(waves: Waves, near: Float[Array, "b n c"], far: Float[Array, "b n c"]) -> Float[Array, "b m n c"]:
    """The membrane between two opposite sides, 0 at the other two."""
    near, far = (jnp.einsum("kn,bnc->bkc", waves.along, side, precision="highest") for side in (near, far))
    falling = waves.across[None, :, :, None]
    modes = falling * near[:, None] + falling[:, ::-1] * far[:, None]
    return jnp.einsum("bmkc,kn->bmnc", modes, waves.along, precision="highest")
