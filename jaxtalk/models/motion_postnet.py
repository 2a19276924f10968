"""MotionPostNet: motion as Audio2Motion draws it, a little corrected towards one person's (GeneFace, ICLR 2023).

motion [t, 204] (and embedded pitch [t, p]) --7 convolutions over 3 frames, 1 over one--> what is added to it [t, 204]

Audio2Motion has learnt from many people, the radiance field from one. The PostNet adapts between them; besides the
person's own motion it is trained by a discriminator (`models.motion_discriminator`) and a sync expert
(`models.motion_sync_net`) on speech of others.
"""

import dataclasses
import functools

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.time_conv import TimeConv


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The default is the published network; the one with pitch is given Audio2Motion's `embed_pitch` too."""

    motion: int = 204
    """Numbers in a frame of motion."""
    width: int = 128
    dtype: DTypeLike = jnp.float32


class MotionPostNet(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(
        self,
        motion: Float[Array, "b t m"],
        mask: Float[Array, "b t"],
        pitch: Float[Array, "b t p"] | None = None,
        *,
        train: bool = False,
    ) -> Float[Array, "b t m"]:
        """The corrected motion, float32; where the mask is 0, the motion as it was. With `train`, `batch_stats` change.

        The published code takes frames that are all 0 for masked, and masks after every third layer only: clips without
        padding are the same, but padding there changes the last frames before it.
        """
        c = self.config
        own = mask[..., None]
        x = (motion if pitch is None else jnp.concatenate([motion, pitch], axis=-1)) * own
        layer = functools.partial(
            TimeConv, window=3, padding=1, activation=lambda y: nn.leaky_relu(y, 0.2), dtype=c.dtype
        )
        for k, (units, residual) in enumerate(
            [(1, False), (1, True), (1, True), (2, False), (2, True), (2, True), (1, False)]
        ):
            x = layer(units * c.width, residual=residual, name=f"layer_{k}")(x, mask, train=train)
        return motion + nn.Dense(c.motion, name="change")(x.astype(jnp.float32)) * own
