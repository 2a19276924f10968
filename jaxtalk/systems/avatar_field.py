"""One person as a radiance field: what a frame's pixels see of head, torso and background (RAD-NeRF, GeneFace).

    landmarks around the frame, eyes, code --Head--> along rays of the head's own space     in front,
    pose, code --Torso--> in the picture's plane                                            behind it,
    background                                                                              behind both

The same function draws for training and for use; training gets the samples that it came from.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxtalk.face import rotation as rotations
from jaxtalk.face.camera import Pinhole
from jaxtalk.models import landmark_warp
from jaxtalk.models.landmark_warp import Rest
from jaxtalk.models.radnerf import RadNerf
from jaxtalk.render import compositing, rays, volume
from jaxtalk.render.march import Lattice

THRESHOLD = 1.0  # density of a cell that counts as occupied: of 64 cells, 3 % of the light stays in each
UNIT = 0.2  # metres in a unit of the field's space: a head with its hair lies within plus and minus one


@flax.struct.dataclass
class Moment:
    """What one frame is drawn from. A point x of the head is at rotation x + translation, metres before the camera."""

    windows: Float[Array, "*f t w c"]  # normalised landmarks of the frames around
    eyes: Float[Array, "*f 1"]  # how open
    rotation: Float[Array, "*f 3 3"]
    translation: Float[Array, "*f 3"]
    sway: Float[Array, "*f 2 3"]  # of the torso: the picture's places in [-1, 1] to those where it rests

    @classmethod
    def of(cls, known: Mapping[str, Any], frame: int | slice = slice(None)) -> "Moment":
        """A frame of arrays by these names, or all of them: of `vars` of an `avatar_frames.Footage`, or of a batch."""
        return cls(**{field.name: jnp.asarray(known[field.name][frame]) for field in dataclasses.fields(cls)})

    def turned(self, move: Float[Array, "*f 6"]) -> "Moment":
        """With the head turned about its own origin by angles in radians, then moved by units."""
        turn = rotations.matrix(move[..., :3])
        return self.replace(
            rotation=jnp.einsum("...ij,...jk->...ik", turn, self.rotation, precision="highest"),
            translation=self.translation + UNIT * move[..., 3:],
        )

    def where_it_rests(self, place: Float[Array, "n 2"]) -> Float[Array, "n 2"]:
        """Places of the picture in [-1, 1] to those where the torso rests that is seen there."""
        return place @ self.sway[:, :2].T + self.sway[None, :, 2]

    @property
    def pose(self) -> Float[Array, "*f 6"]:
        """What the torso is told: angles in radians, place in units."""
        return jnp.concatenate([rotations.angles(self.rotation), self.translation / UNIT], axis=-1)


class Codes(NamedTuple):
    """A training frame's own."""

    head: Float[Array, "e"]
    torso: Float[Array, "e2"]


class Drawn(NamedTuple):
    """What pixels see."""

    colour: Float[Array, "n 3"]
    head: Float[Array, "n"]  # opacity
    torso: Float[Array, "n"]  # opacity, also where the head hides it
    bent: Float[Array, "n 2"]  # how far the torso was moved, in half pictures
    ambient: Float[Array, "n"]  # how far from its middle the plane of appearances was used, weighted as colours are
    asked: Float[Array, "n"]  # samples


class Avatar(NamedTuple):
    """The field and how it is looked at."""

    network: RadNerf
    lattice: Lattice
    camera: Pinhole
    size: int
    rest: Rest | None = None  # without it the field itself must learn where each landmark takes the skin, as published

    def space(self, grid: Float[Array, "c h h h"]) -> volume.Box:
        return volume.around(grid, self.network.config.bound, THRESHOLD)._replace(density=grid)

    def rays(self, moment: Moment, pixels: Float[Array, "n 2"]) -> rays.Rays:
        return head_rays(self.camera, moment, pixels)

    def told(self, params, moment: Moment) -> Float[Array, "d"]:
        """The condition of a frame."""
        return self.network.apply({"params": params}, moment.windows, method=lambda model, x: model.condition(x))

    def field(self, params, moment: Moment, code):
        """points, directions -> density; colour and the use of the plane of appearances."""
        told = self.told(params, moment)
        eyes = moment.eyes if self.network.config.eyes else None

        def ask(points, directions):
            still = self.at_rest(points, moment)
            sample = self.network.apply(
                {"params": params}, still, directions, told, code, eyes, method=lambda model, *x: model.head(*x)
            )
            return sample.density, jnp.concatenate([sample.colour, jnp.abs(sample.ambient).sum(-1)[:, None]], axis=-1)

        return ask

    def density(self, params, moment: Moment):
        """points -> density, for the occupancy grid."""
        told = self.told(params, moment)
        eyes = moment.eyes if self.network.config.eyes else None
        ask = lambda model, points: model.head.density(points, told, eyes)[0]  # noqa: E731
        return lambda points: self.network.apply({"params": params}, self.at_rest(points, moment), method=ask)

    def at_rest(self, points: Float[Array, "n 3"], moment: Moment) -> Float[Array, "n 3"]:
        """Where in the face at rest the field is asked for what is at points now."""
        if self.rest is None:
            return points
        mean, spread, reach = (value / UNIT for value in self.rest)
        landmarks = mean + spread * moment.windows[len(moment.windows) // 2, 0].reshape(mean.shape)
        bound = self.network.config.bound
        return jnp.clip(landmark_warp.at_rest(points, landmarks, mean, reach), -bound, bound)

    def torso(self, params, moment: Moment, pixels: Float[Array, "n 2"], code):
        """Opacity, colour and movement of the torso at pixels; the movement is what `moment.sway` does not tell."""
        place, pose = 2 * pixels / self.size - 1, moment.pose
        if self.network.config.bends:
            place = moment.where_it_rests(place)
        else:
            pose = jnp.zeros_like(pose)
        look = lambda model, *x: model.torso(*x)  # noqa: E731
        return self.network.apply({"params": params}, place, pose, code, method=look)

    def train_view(
        self,
        params,
        space: volume.Box,
        moment: Moment,
        codes: Codes,
        pixels: Float[Array, "n 2"],
        background: Float[Array, "n 3"],
        budget: int,
        noise: Float[Array, "n"],
        rigid: Bool[Array, "n"] | None = None,
    ) -> Drawn:
        """Some pixels of one frame, with derivatives; the head's field is asked `budget` times.

        `rigid`: pixels that may tell where the head is; the others' rays have no derivative.
        """
        field, seen = self.field(params, moment, codes.head), self.rays(moment, pixels)
        if rigid is not None:
            seen = jax.tree.map(lambda x: jnp.where(rigid[:, None], x, jax.lax.stop_gradient(x)), seen)
            moment = jax.lax.stop_gradient(moment)
        marched = volume.marched(field, seen, space, self.lattice, budget, noise)
        asked = marched.packed.count.astype(jnp.float32)
        return self._joined(params, moment, codes, pixels, background, marched.seen, asked)

    def view(self, params, space: volume.Box, moment: Moment, codes: Codes, pixels, background) -> Drawn:
        """As `train_view`, for use: without noise, derivatives or a budget."""
        field = self.field(params, moment, codes.head)
        seen = volume.marched_in_rounds(field, self.rays(moment, pixels), space, self.lattice)
        nothing = jnp.zeros(len(pixels))
        return self._joined(params, moment, codes, pixels, background, seen, nothing)

    def picture(
        self, params, space: volume.Box, moment: Moment, codes: Codes, background: Float[Array, "s s 3"], piece=8192
    ) -> Drawn:
        """A whole frame, its pixels row after row, `piece` at a time."""
        pixels = rays.pixels(self.size, self.size).reshape(-1, 2)
        draw = lambda given: self.view(params, space, moment, codes, *given)  # noqa: E731
        return volume.whole(draw, (pixels, background.reshape(-1, 3)), min(piece, len(pixels)))

    def _joined(self, params, moment, codes, pixels, background, seen: compositing.Composite, asked) -> Drawn:
        opacity, colour, bent = self.torso(params, moment, pixels, codes.torso)
        behind = opacity[:, None] * colour + (1 - opacity[:, None]) * background
        front = compositing.Composite(seen.values[:, :3], seen.depth, seen.opacity)
        return Drawn(compositing.over(front, behind), seen.opacity, opacity, bent, seen.values[:, 3], asked)


def head_rays(camera: Pinhole, moment: Moment, pixels: Float[Array, "n 2"]) -> rays.Rays:
    """Through places on the picture, in units of the head's own space."""
    seen = rays.relative(rays.through(camera, pixels), moment.rotation, moment.translation)
    return rays.Rays(seen.origin / UNIT, seen.direction)


def codes(params, frame) -> Codes:
    """Those of a training frame; of frames that nobody knows the first one's are taken, as published."""
    return Codes(params["codes"][frame], params["torso_codes"][frame])
