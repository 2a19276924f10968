"""The perceptron of the 2003 FAP system: from what is heard around a moment to the pattern of the face.

window [6, 18] = 108 inputs --80 sigmoid nodes--> 5 output nodes, a binary number --\\
                                             or --> p output nodes, softmax -------- log probability of each pattern [p]

The pattern's FAP vector is then the face of that frame: of the likeliest pattern, as published, or of the mean of
patterns by their probability, which moves more smoothly and errs less.
"""

import dataclasses
import functools
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxtalk.audio import mixed_features


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published network."""

    features: int = mixed_features.FEATURES
    context: int = mixed_features.CONTEXT
    hidden: int = 80
    patterns: int = 29
    code: Literal["binary", "softmax"] = "binary"

    @property
    def nodes(self) -> int:
        """Output nodes."""
        return self.patterns if self.code == "softmax" else (self.patterns - 1).bit_length()


class FapPerceptron(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(self, windows: Float[Array, "*b c f"]) -> Float[Array, "*b p"]:
        """Log probability of each pattern.

        With the binary code that is of the nodes all reading the pattern's number; what is left over are numbers that
        stand for no pattern.
        """
        config = self.config
        inputs = windows.reshape(*windows.shape[:-2], config.context * config.features)
        hidden = nn.sigmoid(nn.Dense(config.hidden, name="hidden")(inputs))
        nodes = nn.Dense(config.nodes, name="nodes")(hidden)
        if config.code == "softmax":
            return nn.log_softmax(nodes)
        ones = jnp.asarray(numbers(config.patterns))
        return nn.log_sigmoid(nodes) @ ones.T + nn.log_sigmoid(-nodes) @ (1 - ones).T


@functools.cache
def numbers(patterns: int) -> Float[np.ndarray, "p nodes"]:
    """The nodes' values for each pattern: its Gray code, so that neighbours in number differ in one node only."""
    place = np.arange(patterns)
    gray = place ^ (place >> 1)
    return (gray[:, None] >> np.arange((patterns - 1).bit_length()) & 1).astype(np.float32)


def likeliest(log_probability: Float[Array, "*b p"], centres: Float[Array, "p d"]) -> Float[Array, "*b d"]:
    """The FAP vector of the likeliest pattern."""
    return centres[log_probability.argmax(-1)]


def expected(log_probability: Float[Array, "*b p"], centres: Float[Array, "p d"]) -> Float[Array, "*b d"]:
    """The mean of the patterns' FAP vectors by their probability."""
    return jax.nn.softmax(log_probability) @ centres
