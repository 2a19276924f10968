"""VOCA: speech to the motion of a face's vertices, each frame by itself (Cudeiro et al., CVPR 2019).

features of 16 moments [16, f], style [s] --4 convolutions over time, each halving it--> [64], style [s]
    --2 linear layers--> expression [50] --linear--> motion [3 v]

Motion is how far each coordinate is from the neutral face's. Features are DeepSpeech's 29 letters at 60 frames a second
in the published network; any others will do in training. The style, a row with a number for each person of the training
set, is heard at every moment. Batch norm is of all features as one channel. The last layer is a basis of expressions,
which the paper starts from principal components of the training set.
"""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.conv import Conv
from jaxtalk.nn.mel_encoder import batch_norm


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published network."""

    coordinates: int = 15069
    """Of a frame: three for each vertex."""
    styles: int = 8
    window: int = 16
    """Moments that a frame hears, at its own rate; 2 ** len(widths) or a multiple of it."""
    widths: tuple[int, ...] = (32, 32, 64, 64)
    hidden: int = 128
    expression: int = 50
    dtype: DTypeLike = jnp.float32


class Voca(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(
        self, features: Float[Array, "b w f"], style: Float[Array, "b s"], *, train: bool = False
    ) -> tuple[Float[Array, "b c"], Float[Array, "b e"]]:
        """The motion of the frame in the middle of each window (see `windows`), and its expression."""
        c = self.config
        x = batch_norm(train, name="norm")(features[..., None])[..., 0]
        everywhere = jnp.broadcast_to(style[:, None], (*x.shape[:2], style.shape[-1]))
        x = jnp.concatenate([x, everywhere], axis=-1)
        for k, width in enumerate(c.widths):
            x = jnp.pad(x, ((0, 0), (0, 1), (0, 0)))  # as TensorFlow halves an even length
            x = nn.relu(Conv(width, (3,), 2, dtype=c.dtype, name=f"conv_{k}")(x))
        x = jnp.concatenate([x.reshape(len(x), -1), style.astype(x.dtype)], axis=-1)
        x = jnp.tanh(nn.Dense(c.hidden, dtype=c.dtype, name="widen")(x))
        expression = nn.Dense(c.expression, dtype=c.dtype, name="narrow")(x).astype(jnp.float32)
        return nn.Dense(c.coordinates, name="basis")(expression), expression


def windows(config: Config, features: Float[Array, "b t f"]) -> Float[Array, "b t w f"]:
    """The moments around each frame, half of them before it and one fewer behind; zeros beyond the ends."""
    half = config.window // 2
    padded = jnp.pad(features, ((0, 0), (half, config.window - half), (0, 0)))
    at = jnp.arange(features.shape[1])[:, None] + jnp.arange(config.window)[None]
    return padded[:, at]


def animate(
    model: Voca, variables: dict, features: Float[Array, "b t f"], style: Float[Array, "b s"]
) -> Float[Array, "b t c"]:
    """The motion of clips whose features have a row for each frame."""
    heard, frames = windows(model.config, features), features.shape[1]
    motion, _ = model.apply(variables, heard.reshape(-1, *heard.shape[2:]), jnp.repeat(style, frames, axis=0))
    return motion.reshape(-1, frames, motion.shape[-1])
