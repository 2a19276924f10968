"""Is a frame of motion the person's own? The discriminator that trains GeneFace's PostNet (ICLR 2023)."""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The default is the published network."""

    width: int = 128
    dropout: float = 0.25
    dtype: DTypeLike = jnp.float32


class MotionDiscriminator(nn.Module):
    """Four layers and a score for each frame on its own: least squares, 1 for real (`losses.gan`).

    The published code drops frames that are all 0; here they have scores too, which the caller's mask leaves out.
    """

    config: Config = Config()

    @nn.compact
    def __call__(self, motion: Float[Array, "*b m"], *, train: bool = False) -> Float[Array, "*b"]:
        """Scores, float32. With `train`, there is dropout, drawn from the stream "dropout"."""
        c, x = self.config, motion
        for k, (units, slope) in enumerate([(1, 0.2), (2, 0.25), (2, 0.25), (1, 0.25)]):
            x = nn.leaky_relu(nn.Dense(units * c.width, dtype=c.dtype, name=f"layer_{k}")(x), slope)
            x = nn.Dropout(c.dropout, deterministic=not train)(x)
        return nn.Dense(1, use_bias=False, name="score")(x.astype(jnp.float32))[..., 0]
