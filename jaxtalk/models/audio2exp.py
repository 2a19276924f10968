"""ExpNet: from speech to expression coefficients, one video frame at a time (SadTalker, CVPR 2023, sec. 3.2).

mel window [80, 16] --mel encoder--> embedding [16 width] -+
reference expression [e] (the portrait's, carries identity) +-- linear --> expression [e]
blink ratio [1] (0 open, 1 closed) -------------------------+
"""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.mel_encoder import MelEncoder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published network."""

    coefficients: int = 64
    width: int = 32
    dtype: DTypeLike = jnp.float32


class ExpNet(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(
        self,
        mel: Float[Array, "*b t 80 16"],
        reference: Float[Array, "*b t e"],
        blink: Float[Array, "*b t"],
        *,
        train: bool = False,
    ) -> tuple[Float[Array, "*b t e"], dict[str, Array]]:
        """Expression coefficients, absolute (not relative to the reference), and aux["embedding"] of the sound."""
        config = self.config
        embedding = MelEncoder(config.width, config.dtype, name="encoder")(mel, train=train)
        features = jnp.concatenate([embedding, reference, blink[..., None]], axis=-1)
        expression = nn.Dense(config.coefficients, dtype=config.dtype, name="mapping")(features)
        return expression.astype(jnp.float32), {"embedding": embedding.astype(jnp.float32)}
