"""LipTCN: from speech to expression coefficients by dilated convolutions over time, ours.

log-mel [t, 80], 80 a second --convolution, stride 2--> [t/2, width] --residual blocks--> expression [t/2, e]
                                                                                     +--> phoneme logits [t/2, p]

ExpNet hears 0.4 s around a frame and computes each frame anew; here neighbouring moments share their work, so that a
minute of speech costs a fraction of a second, and training on whole sentences costs minutes (docs/lip_motion.md). The
blocks are those of temporal convolutional networks (Bai et al. 2018), not causal, with layer norm in front.
"""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.audio.speech_windows import SPACING

_FIRST = 5  # columns that the first convolution sees


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    coefficients: int = 52
    phonemes: int
    """How many sounds are told apart; see `systems.listen.lips`."""
    width: int = 192
    dilations: tuple[int, ...] = (1, 2, 4, 1, 2, 4)
    dropout: float = 0.1
    dtype: DTypeLike = jnp.float32

    @property
    def reach(self) -> int:
        """Columns to either side on which a moment of the output depends, rounded up to a moment."""
        return SPACING * (sum(self.dilations) + -(-(_FIRST // 2) // SPACING))


class Block(nn.Module):
    """x + Dense(GELU(dilated convolution of three moments(LayerNorm(x))))."""

    width: int
    dilation: int
    dropout: float
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b t w"], *, train: bool) -> Float[Array, "b t w"]:
        y = nn.LayerNorm(dtype=jnp.float32, name="norm")(x).astype(self.dtype)
        y = nn.Conv(self.width, (3,), kernel_dilation=self.dilation, padding="SAME", dtype=self.dtype, name="conv")(y)
        y = nn.Dropout(self.dropout, deterministic=not train)(nn.gelu(y))
        return x + nn.Dense(self.width, dtype=self.dtype, name="mix")(y)


class LipTCN(nn.Module):
    config: Config

    @nn.compact
    def __call__(
        self, mel: Float[Array, "b t 80"], *, train: bool = False
    ) -> tuple[Float[Array, "b t2 e"], dict[str, Array]]:
        """Expression coefficients at columns 0, 2, 4, ..., and aux["phoneme"], logits [b, t2, p] at the same moments.

        `mel` is log-mel as `speech_windows.normalise` gives it. Beyond its ends the network hears zeros in every layer.
        """
        config = self.config
        first = nn.Conv(config.width, (_FIRST,), strides=SPACING, padding=_FIRST // 2, dtype=config.dtype, name="first")
        x = nn.gelu(first(mel))
        for i, dilation in enumerate(config.dilations):
            x = Block(config.width, dilation, config.dropout, config.dtype, name=f"block_{i}")(x, train=train)
        x = nn.LayerNorm(dtype=jnp.float32, name="norm")(x).astype(config.dtype)
        x = nn.Dropout(config.dropout, deterministic=not train)(x)
        expression = nn.Dense(config.coefficients, dtype=config.dtype, name="expression")(x)
        logits = nn.Dense(config.phonemes, dtype=config.dtype, name="phoneme")(x)
        return expression.astype(jnp.float32), {"phoneme": logits.astype(jnp.float32)}


def hear(
    config: Config, params: dict, mel: Float[np.ndarray, "t 80"], moments: int = 512
) -> tuple[Float[np.ndarray, "t2 e"], Float[np.ndarray, "t2 p"]]:
    """Expression and probabilities of phonemes, of a recording of any length in blocks of `moments` outputs.

    The first and last column go on beyond the ends. The size of the blocks changes nothing.
    """
    count = -(-len(mel) // SPACING)
    columns = moments * SPACING
    padded = np.pad(mel, ((config.reach, config.reach - len(mel) % -columns), (0, 0)), mode="edge")
    inside = slice(config.reach // SPACING, config.reach // SPACING + moments)
    parts = []
    for start in range(0, len(mel), columns):
        expression, probability = _heard(
            config, params, jnp.asarray(padded[start : start + columns + 2 * config.reach])
        )
        parts.append((np.asarray(expression)[inside], np.asarray(probability)[inside]))
    expression, probability = (np.concatenate(part)[:count] for part in zip(*parts, strict=True))
    return expression, probability


def at(values: Float[np.ndarray, "t2 c"], column: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n c"]:
    """What `hear` gave, between its moments: by straight lines, at any mel column; the ends go on."""
    place = np.clip(np.asarray(column) / SPACING, 0, len(values) - 1)
    low = np.minimum(place.astype(int), max(len(values) - 2, 0))
    share = (place - low)[:, None].astype(values.dtype)
    return values[low] * (1 - share) + values[np.minimum(low + 1, len(values) - 1)] * share


@functools.partial(jax.jit, static_argnums=0)
def _heard(config, params, mel):
    expression, aux = LipTCN(config).apply({"params": params}, mel[None])
    return expression[0], jax.nn.softmax(aux["phoneme"][0])
