"""RAD-NeRF: a talking head whose radiance lives in grids (Tang et al., 2022), driven by landmarks in GeneFace (2023).

head, at a point p seen along d, given a condition c and the frame's code:
    s = grid_3d(p);  a = tanh(mlp[s, c])        where in a plane of appearances the condition puts this point (sec. 3.2)
    density, g = mlp[s, grid_2d(a), how open the eyes are];  colour = mlp[harmonics(d), g, code]

torso, at a pixel x of the picture, given the head's pose h (sec. 3.3):
    u = x + mlp[frequencies(x), frequencies(h), code];  opacity, colour = mlp[grid_2d(u), frequencies(x), ..., code]

The head-aware torso of GeneFace is this one: it bends with the head's pose. None of the perceptrons has biases.
"""

import dataclasses
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from jaxtalk.models import condition_encoder
from jaxtalk.nn.field_mlp import Mlp, truncated_exp
from jaxtalk.render import grid_encoding
from jaxtalk.render.direction_encoding import harmonics
from jaxtalk.render.frequency_encoding import frequencies
from jaxtalk.render.grid_encoding import GridEncoding


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are GeneFace's sizes; RAD-NeRF's are narrower (64, and 29 or 44 audio features)."""

    condition: condition_encoder.Config = condition_encoder.Config()
    bound: float = 1.0
    """The head lies within plus and minus this."""
    position_grid: grid_encoding.Config = grid_encoding.Config(dims=3)
    ambient_grid: grid_encoding.Config = grid_encoding.Config(dims=2)
    torso_grid: grid_encoding.Config = grid_encoding.Config(dims=2)
    width: int = 128
    geometry: int = 128
    """Features that the density's perceptron hands to the colour's."""
    eyes: bool = False
    """Whether the head is told how open its eyes are (RAD-NeRF)."""
    code: int = 4
    """Numbers of each training frame's own, for what light and camera do to it."""
    torso_code: int = 8
    frames: int = 13000
    """Training frames that have codes."""
    bends: bool = True
    """Whether the torso is told how the head and it moved (GeneFace's head-aware torso)."""
    torso_scale: float = 0.8
    """What the torso's pixels in [-1, 1] are multiplied by, so that bent ones stay inside of its grid."""
    dtype: DTypeLike = jnp.float32
    """Of the perceptrons."""


class Sample(NamedTuple):
    """What the head's field knows about points."""

    density: Float[Array, "n"]
    colour: Float[Array, "n 3"]
    ambient: Float[Array, "n a"]


class Head(nn.Module):
    """The head's field."""

    config: Config = Config()

    def setup(self):
        c = self.config
        self.position_grid = GridEncoding(c.position_grid)
        self.ambient_grid = GridEncoding(c.ambient_grid)
        self.ambient_mlp = Mlp((c.width, c.width, c.ambient_grid.dims), c.dtype)
        self.density_mlp = Mlp((c.width, c.width, 1 + c.geometry), c.dtype)
        self.colour_mlp = Mlp((c.width, 3), c.dtype)

    def __call__(
        self,
        points: Float[Array, "n 3"],
        directions: Float[Array, "n 3"],
        condition: Float[Array, "d"],
        code: Float[Array, "e"],
        eyes: Float[Array, "1"] | None = None,
    ) -> Sample:
        """Points within the bound; directions of length 1; one frame's condition, code and opening of the eyes."""
        density, geometry, ambient = self.density(points, condition, eyes)
        return Sample(density, self.colour(harmonics(directions, 4), geometry, code), ambient)

    def density(self, points: Float[Array, "n 3"], condition: Float[Array, "d"], eyes: Float[Array, "1"] | None = None):
        """Density, what the colour needs to know of the geometry, and the place in the plane of appearances."""
        space = self.position_grid(points / self.config.bound)
        ambient = self.ambient(space, condition)
        return *self.geometry(space, self.ambient_grid(ambient), eyes), ambient

    def ambient(self, space: Float[Array, "n f"], condition: Float[Array, "d"]) -> Float[Array, "n a"]:
        return jnp.tanh(self.ambient_mlp(space, condition))

    def geometry(
        self, space: Float[Array, "n f"], ambient: Float[Array, "n f2"], eyes: Float[Array, "1"] | None = None
    ):
        if (eyes is not None) != self.config.eyes:
            raise ValueError(f"a head {'with' if self.config.eyes else 'without'} control of its eyes was given {eyes}")
        out = self.density_mlp(jnp.concatenate([space, ambient], axis=-1), eyes)
        return truncated_exp(out[:, 0]), out[:, 1:]

    def colour(self, direction: Float[Array, "n h"], geometry: Float[Array, "n g"], code: Float[Array, "e"]):
        return jax.nn.sigmoid(self.colour_mlp(jnp.concatenate([direction, geometry], axis=-1), code))


class Torso(nn.Module):
    """The torso, which stands in the picture's plane behind the head."""

    config: Config = Config()

    def setup(self):
        c = self.config
        self.grid = GridEncoding(c.torso_grid)
        self.bend_mlp = Mlp((64, 64, 2), c.dtype)
        self.look_mlp = Mlp((32, 32, 4), c.dtype)

    def __call__(self, pixels: Float[Array, "n 2"], pose: Float[Array, "6"], code: Float[Array, "e"]):
        """Opacity [n], colour [n, 3] and how far each pixel was moved [n, 2].

        `pixels`: (x, y) in [-1, 1] over the picture. `pose`: the head's three angles and its place.
        """
        x = pixels * self.config.torso_scale
        place, told = frequencies(x, 10), jnp.concatenate([frequencies(pose[None], 4)[0], code])
        moved = self.bend(place, told)
        opacity, colour = self.look(self.grid(jnp.clip(x + moved, -1, 1)), place, told)
        return opacity, colour, moved

    def bend(self, place: Float[Array, "n f"], told: Float[Array, "g"]) -> Float[Array, "n 2"]:
        return self.bend_mlp(place, told)

    def look(self, grid: Float[Array, "n h"], place: Float[Array, "n f"], told: Float[Array, "g"]):
        out = jax.nn.sigmoid(self.look_mlp(jnp.concatenate([grid, place], axis=-1), told))
        return out[:, 0], out[:, 1:]


class RadNerf(nn.Module):
    """One person: what turns landmarks or speech into conditions, head, torso, and the codes of training frames."""

    config: Config = Config()

    def setup(self):
        c = self.config
        self.condition = condition_encoder.ConditionEncoder(c.condition)
        self.head = Head(c)
        self.torso = Torso(c)
        self.codes = self.param("codes", nn.initializers.normal(0.1), (c.frames, c.code))
        self.torso_codes = self.param("torso_codes", nn.initializers.normal(0.1), (c.frames, c.torso_code))

    def __call__(
        self,
        windows: Float[Array, "t w c"],
        points: Float[Array, "n 3"],
        directions: Float[Array, "n 3"],
        pixels: Float[Array, "n 2"],
        pose: Float[Array, "6"],
        frame: Int[Array, ""],
        eyes: Float[Array, "1"] | None = None,
    ):
        """Everything at once, for making parameters and for tests; rendering applies the parts."""
        head = self.head(points, directions, self.condition(windows), self.codes[frame], eyes)
        return head, self.torso(pixels, pose, self.torso_codes[frame])
