"""The vanilla talking radiance field: one deep perceptron (AD-NeRF, Guo et al., ICCV 2021, sec. 3.3; GeneFace).

    [frequencies of the point (63), condition (64)] --8 linear layers, the input again before the sixth--> density
        [that, frequencies of the direction (27)] --3 linear layers--> colour

Two of them make a picture: where the coarse one finds weight along a ray, the fine one looks closer.
"""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.models import condition_encoder
from jaxtalk.render.frequency_encoding import frequencies

POSE_FREQUENCIES = 4  # of the head's pose, where the torso is told it


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the published sizes."""

    condition: condition_encoder.Config = condition_encoder.Config()
    width: int = 256
    layers: int = 8
    again: int = 5
    """The layer that sees the input again."""
    colour_layers: int = 3
    point_frequencies: int = 10
    direction_frequencies: int = 4
    dtype: DTypeLike = jnp.float32


class Field(nn.Module):
    """Density and colour of points, given a frame's condition."""

    config: Config = Config()

    @nn.compact
    def __call__(
        self, points: Float[Array, "n 3"], directions: Float[Array, "n 3"], condition: Float[Array, "d"]
    ) -> tuple[Float[Array, "n"], Float[Array, "n 3"]]:
        """Both before their activations: density before a ReLU, colour before a sigmoid. Directions have length 1."""
        c = self.config

        def layer(width: int, name: str, x: Array) -> Array:
            return nn.relu(nn.Dense(width, dtype=c.dtype, name=name)(x))

        told = jnp.broadcast_to(condition, (len(points), *condition.shape))
        x = given = jnp.concatenate([frequencies(points, c.point_frequencies), told], axis=-1)
        for k in range(c.layers):
            if k == c.again:
                x = jnp.concatenate([given.astype(c.dtype), x], axis=-1)
            x = layer(c.width, f"density_{k}", x)
        density = nn.Dense(1, name="density")(x)[:, 0]
        x = jnp.concatenate([x, frequencies(directions, c.direction_frequencies).astype(c.dtype)], axis=-1)
        for k in range(c.colour_layers):
            x = layer(c.width // 2, f"colour_{k}", x)
        return density, nn.Dense(3, name="colour")(x)


class AdNerf(nn.Module):
    """The coarse and the fine field of one person, and what turns a frame's speech or landmarks into its condition."""

    config: Config = Config()

    def setup(self):
        self.condition = condition_encoder.ConditionEncoder(self.config.condition)
        self.coarse = Field(self.config)
        self.fine = Field(self.config)

    def __call__(self, windows: Float[Array, "t w c"], points: Float[Array, "n 3"], directions: Float[Array, "n 3"]):
        """Both fields at the same points, to make all parameters. Rendering applies `condition`, `coarse`, `fine`."""
        told = self.condition(windows)
        return self.coarse(points, directions, told), self.fine(points, directions, told)


class Person(nn.Module):
    """One person's head and torso, as AD-NeRF has them: two pairs of fields (sec. 3.4).

    The torso's are told the head's pose too; both hear the same condition.
    """

    config: Config = Config()

    def setup(self):
        self.condition = condition_encoder.ConditionEncoder(self.config.condition)
        self.head_coarse, self.head_fine, self.torso_coarse, self.torso_fine = (Field(self.config) for _ in range(4))

    def __call__(
        self,
        windows: Float[Array, "t w c"],
        pose: Float[Array, "6"],
        points: Float[Array, "n 3"],
        directions: Float[Array, "n 3"],
    ):
        """All fields at the same points, to make all parameters. Rendering applies `told` and the fields."""
        head, torso = self.told(windows, pose)
        fields = (self.head_coarse, head), (self.head_fine, head), (self.torso_coarse, torso), (self.torso_fine, torso)
        return [field(points, directions, told) for field, told in fields]

    def told(
        self, windows: Float[Array, "t w c"], pose: Float[Array, "6"]
    ) -> tuple[Float[Array, "d"], Float[Array, "d2"]]:
        """The conditions of head and torso. `pose`: three angles and the place."""
        told = self.condition(windows)
        return told, jnp.concatenate([told, frequencies(pose[None], POSE_FREQUENCIES)[0]])
