"""A still scene in a hashed grid (Instant NGP, Müller et al., 2022, sec. 5.4).

point [3] --hashed grid--> [32] --2 layers--> log density, features [15]
[harmonics of the direction (16), those features] --3 layers--> colour [3]
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.field_mlp import Mlp, truncated_exp
from jaxtalk.render import grid_encoding
from jaxtalk.render.direction_encoding import harmonics


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published sizes, but for the table's, which is for faces."""

    bound: float = 1.0
    """The scene lies within plus and minus this."""
    grid: grid_encoding.Config = grid_encoding.Config(kind="hashed")
    width: int = 64
    geometry: int = 15
    dtype: DTypeLike = jnp.float32
    """Of the perceptrons."""


class Field(nn.Module):
    """Density and colour of points."""

    config: Config = Config()

    def setup(self):
        c = self.config
        self.grid = grid_encoding.GridEncoding(c.grid)
        self.density_mlp = Mlp((c.width, 1 + c.geometry), c.dtype)
        self.colour_mlp = Mlp((c.width, c.width, 3), c.dtype)

    def __call__(self, points: Float[Array, "n 3"], directions: Float[Array, "n 3"]):
        """Density [n] for each unit of length, colour [n 3] from 0 to 1. Directions have length 1."""
        density, geometry = self.density(points)
        colour = self.colour_mlp(jnp.concatenate([harmonics(directions, 4), geometry], axis=-1))
        return density, jax.nn.sigmoid(colour)

    def density(self, points: Float[Array, "n 3"]) -> tuple[Float[Array, "n"], Float[Array, "n g"]]:
        """Density, and what the colour needs to know of the geometry."""
        out = self.density_mlp(self.grid(points / self.config.bound))
        return truncated_exp(out[:, 0]), out[:, 1:]
