"""What a talking radiance field is told about the moment: audio features or landmarks of a window, smoothed over time.

windows of neighbouring frames [t, w, c] --4 convolutions, 2 linear layers each--> [t, d] --attention over t--> [d]

The middle of the t windows is the frame that is drawn. AD-NeRF (Guo et al., ICCV 2021, sec. 3.2) hears 16 rows of
DeepSpeech in 8 windows so; GeneFace (Ye et al., ICLR 2023) sees 68 landmarks of one frame (w = 1) in 5.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxtalk.nn.conv import Conv

_SLOPE = 0.02  # of leaky ReLUs
_HE = nn.initializers.he_normal()  # keeps the spread: with less, fields hardly hear what they are told


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are GeneFace's, for landmarks."""

    window: int = 1
    """Rows in a window: 1, 2, 4, 8 or 16."""
    smoothed: int = 5
    """Windows that attention weighs."""
    features: int = 64


class WindowEncoder(nn.Module):
    """One vector for each window."""

    config: Config = Config()

    @nn.compact
    def __call__(self, windows: Float[Array, "t w c"]) -> Float[Array, "t d"]:
        halvings = self.config.window.bit_length() - 1
        x = windows.astype(jnp.float32)
        for k, width in enumerate((32, 32, 64, 64)):
            stride = 2 if k < halvings else 1
            # In a window of one row two of the three taps see nothing but padding.
            kept = nn.initializers.variance_scaling(2 * 3 / min(x.shape[1], 3), "fan_in", "normal")
            conv = Conv(width, (3,), stride=stride, padding=1, kernel_init=kept, name=f"conv_{k}")
            x = nn.leaky_relu(conv(x), _SLOPE)
        x = nn.leaky_relu(nn.Dense(64, kernel_init=_HE, name="hidden")(x[:, 0]), _SLOPE)
        return nn.Dense(self.config.features, name="out")(x)


class AttentionSmoother(nn.Module):
    """A mean over neighbouring frames whose weights the frames themselves decide."""

    @nn.compact
    def __call__(self, features: Float[Array, "t d"]) -> Float[Array, "d"]:
        x = features[None]
        for k, width in enumerate((16, 8, 4, 2, 1)):
            x = nn.leaky_relu(Conv(width, (3,), padding=1, name=f"conv_{k}")(x), _SLOPE)
        weights = jax.nn.softmax(nn.Dense(len(features), name="weights")(x[0, :, 0]))
        return weights @ features


class ConditionEncoder(nn.Module):
    """The condition of one frame from the windows around it."""

    config: Config = Config()

    def setup(self):
        self.encoder = WindowEncoder(self.config)
        self.smoother = AttentionSmoother()

    def __call__(self, windows: Float[Array, "t w c"]) -> Float[Array, "d"]:
        """`windows`: those of `config.smoothed` frames, the drawn one in their middle."""
        return self.smoother(self.encoder(windows))
