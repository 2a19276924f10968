"""A normalising flow over a sequence of latents: the prior of GeneFace's variational motion model (ICLR 2023).

z [l, k] --couplings of one half of the channels with the other, the order reversed after each--> e [l, k], normal(0, 1)

A coupling adds to one half what a WaveNet makes of the other half and of the condition (additive coupling; Dinh et al.,
NICE, 2015). Volume is kept, so the density of z is that of e: log p(z) = log normal(e), and the prior's mode is where
e = 0. The other way round the flow is exact but for rounding.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.wavenet import WaveNet


class Coupling(nn.Module):
    """What is added to one half of the channels; nothing at first, so that a flow begins as the identity."""

    channels: int
    width: int
    window: int
    layers: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, half: Float[Array, "b l h"], condition: Float[Array, "b l c"], mask: Float[Array, "b l"]
    ) -> Float[Array, "b l h"]:
        """Float32, 0 where the mask is."""
        x = nn.Dense(self.width, dtype=self.dtype, name="before")(half) * mask[..., None].astype(self.dtype)
        x = WaveNet(self.width, self.window, self.layers, self.dtype, name="wavenet")(x, condition, mask)
        y = nn.Dense(self.channels, kernel_init=nn.initializers.zeros, name="after")(x.astype(jnp.float32))
        return y * mask[..., None]


class MotionFlow(nn.Module):
    """Latents to noise by a call, noise to latents by `reverse`. Both are 0 where masked, in the changed half."""

    channels: int
    width: int
    window: int
    layers: int
    couplings: int
    dtype: DTypeLike = jnp.float32

    def setup(self):
        args = (self.channels // 2, self.width, self.window, self.layers, self.dtype)
        self.coupling = [Coupling(*args) for _ in range(self.couplings)]

    def __call__(
        self, z: Float[Array, "b l k"], condition: Float[Array, "b l c"], mask: Float[Array, "b l"]
    ) -> Float[Array, "b l k"]:
        for couple in self.coupling:
            kept, moved = jnp.split(z, 2, axis=-1)
            moved = moved * mask[..., None] + couple(kept, condition, mask)
            z = jnp.concatenate([kept, moved], axis=-1)[..., ::-1]
        return z

    def reverse(
        self, e: Float[Array, "b l k"], condition: Float[Array, "b l c"], mask: Float[Array, "b l"]
    ) -> Float[Array, "b l k"]:
        for couple in reversed(self.coupling):
            kept, moved = jnp.split(e[..., ::-1], 2, axis=-1)
            moved = (moved - couple(kept, condition, mask)) * mask[..., None]
            e = jnp.concatenate([kept, moved], axis=-1)
        return e
