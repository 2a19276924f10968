"""PSNR: peak signal-to-noise ratio, 10 log10(1 / MSE) decibels for images in [0, 1]. Higher is better.

A difference of one grey level of 255 everywhere is 48.13 dB; black against white is 0 dB; without any difference it
is infinite by definition, and no ceiling is made up here. Two means over frames are in use:

- the mean of the frames' own PSNR, `Mean.of(psnr(...))`: image restoration, NeRF, RAD-NeRF's talking heads. One
  frame without any difference makes it infinite, and clear frames outweigh poor ones;
- the PSNR of the mean squared error of all frames, `PooledPsnr`: FFmpeg's "average" and x264's "Global". It is never
  above the first (Jensen's inequality) and stays finite unless all frames are without difference.

Say which one a figure is. More traps: PSNR of luma only, as in super-resolution, is higher than that of RGB; so is
that of a frame with the same background in both, and that of a part without it lower.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxtalk.metrics.mean import Mean


def squared_error(image: Float[Array, "*b h w c"], reference: Float[Array, "*b h w c"]) -> Float[Array, "*b"]:
    """MSE: the mean over pixels and channels."""
    return jnp.square(image - reference).mean((-3, -2, -1))


def decibels(error: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """PSNR of a mean squared error; infinite of 0."""
    return -10 * jnp.log10(error)


def psnr(image: Float[Array, "*b h w c"], reference: Float[Array, "*b h w c"]) -> Float[Array, "*b"]:
    """PSNR of each frame; infinite where the two are equal."""
    return decibels(squared_error(image, reference))


def within(
    image: Float[Array, "*b h w c"], reference: Float[Array, "*b h w c"], share: Float[Array, "*b h w"]
) -> Float[Array, "*b"]:
    """PSNR of the part of each frame that `share` says, from 0 to 1 for each pixel."""
    error = jnp.square(image - reference).mean(-1) * share
    return decibels(error.sum((-2, -1)) / jnp.maximum(share.sum((-2, -1)), 1e-6))


class PooledPsnr(NamedTuple):
    """PSNR of many frames from the mean of their squared errors; every frame counts the same."""

    error: Mean

    @classmethod
    def of(cls, image: Float[Array, "*b h w c"], reference: Float[Array, "*b h w c"]) -> "PooledPsnr":
        return cls(Mean.of(squared_error(image, reference)))

    def merge(self, other: "PooledPsnr") -> "PooledPsnr":
        return PooledPsnr(self.error.merge(other.error))

    def value(self) -> Float[Array, ""]:
        """Decibels; infinite if no frame differs, and, as of any Mean, 0 of no frames."""
        return jnp.where(self.error.count > 0, decibels(self.error.value()), 0)
