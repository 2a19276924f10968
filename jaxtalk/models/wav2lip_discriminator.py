"""Wav2Lip's discriminator of visual quality: does this mouth look real? (Prajwal et al., ACM Multimedia 2020, sec. 4.3)

    lower half of a face [48, 96, 3] --13 convolutions, leaky ReLU--> feature [16 n] --1 x 1--> logit       (n = 32)

There are no norms and no sound. The published one gives the sigmoid of the logit, a probability.
"""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.conv import Conv, Extent

# (channels in units of the width, window, stride, padding)
LAYERS: tuple[tuple[int, int, Extent, int], ...] = (
    (1, 7, 1, 3),
    (2, 5, (1, 2), 2),
    (2, 5, 1, 2),
    (4, 5, 2, 2),
    (4, 5, 1, 2),
    (8, 5, 2, 2),
    (8, 5, 1, 2),
    (16, 3, 2, 1),
    (16, 3, 1, 1),
    (16, 3, 2, 1),
    (16, 3, 1, 1),
    (16, 3, 1, 0),
    (16, 1, 1, 0),
)
SLOPE = 0.01  # of the leaky ReLUs


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The default is the published network."""

    width: int = 32
    dtype: DTypeLike = jnp.float32


class Discriminator(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(
        self, faces: Float[Array, "*b 96 96 3"], *, train: bool = False
    ) -> tuple[Float[Array, "*b"], dict[str, Array]]:
        """Logits, float32, positive for what looks real; aux["feature"] [*b, 16 width]. Training changes nothing."""
        c = self.config
        x = faces[..., faces.shape[-3] // 2 :, :, :].reshape(-1, 48, 96, 3)
        for k, (units, window, stride, padding) in enumerate(LAYERS):
            x = Conv(units * c.width, (window, window), stride, padding, dtype=c.dtype, name=f"conv_{k}")(x)
            x = nn.leaky_relu(x, SLOPE)
        logit = Conv(1, (1, 1), dtype=c.dtype, name="score")(x)
        lead = faces.shape[:-3]
        return logit.reshape(lead).astype(jnp.float32), {"feature": x.reshape(*lead, -1)}
