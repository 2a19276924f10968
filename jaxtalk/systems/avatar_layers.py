"""One person as four deep perceptrons (AD-NeRF, Guo et al., ICCV 2021): what a frame's pixels see of head and torso.

    landmarks around the frame --coarse, fine--> along rays of the head's own space          in front,
    landmarks, the head's pose --coarse, fine--> along rays that go with the torso           behind it,
    background                                                                               behind both

As `avatar_field` it takes a `Moment` and gives what is `Drawn`, so that both are trained and judged alike. The torso
is followed as there: its rays begin where `Moment.sway` takes the pixels.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jaxtalk.face.camera import Pinhole
from jaxtalk.models.adnerf import Person
from jaxtalk.render import compositing, rays, volume
from jaxtalk.render.compositing import Composite
from jaxtalk.systems.avatar_field import UNIT, Drawn, Moment, head_rays

DEEP = 0.3  # metres before and behind the head's middle in which the torso lies
DENSE = 10.0  # density of a perceptron's 1: what was not learnt yet is neither fog nor wall


class Seen(NamedTuple):
    """What the coarse and the fine fields make of pixels; the fine one is the picture."""

    coarse: Drawn
    fine: Drawn


class Layers(NamedTuple):
    """The fields and how they are looked at."""

    network: Person
    camera: Pinhole
    size: int
    counts: tuple[int, int]  # samples of the coarse field along a ray, and how many more the fine one gets

    def view(
        self,
        params,
        moment: Moment,
        pixels: Float[Array, "n 2"],
        background: Float[Array, "n 3"],
        rng: Key[Array, ""] | None = None,
    ) -> Seen:
        """Some pixels of one frame; with `rng`, for training, samples are moved about."""
        told = self.network.apply({"params": params}, moment.windows, moment.pose, method=Person.told)
        rngs = (None, None) if rng is None else jax.random.split(rng)
        head = self._part(params, "head", told[0], *self._head_rays(moment, pixels), rngs[0])
        torso = self._part(params, "torso", told[1], *self._torso_rays(moment, pixels), rngs[1])
        return Seen(*(self._joined(front, behind, background) for front, behind in zip(head, torso, strict=True)))

    def picture(self, params, moment: Moment, background: Float[Array, "s s 3"], piece: int = 512) -> Drawn:
        """A whole frame, its pixels row after row, `piece` at a time."""
        pixels = rays.pixels(self.size, self.size).reshape(-1, 2)
        draw = lambda given: self.view(params, moment, *given).fine  # noqa: E731
        return volume.whole(draw, (pixels, background.reshape(-1, 3)), min(piece, len(pixels)))

    def _part(self, params, name: str, told, given: rays.Rays, near, far, rng) -> tuple[Composite, Composite]:
        fields = (self._field(params, f"{name}_{kind}", told) for kind in ("coarse", "fine"))
        return volume.layered(*fields, given, near, far, self.counts, rng, last=0.0)

    def _field(self, params, name: str, told: Float[Array, "d"]) -> Callable:
        """points, directions -> density and colour, both after their activations.

        A softplus for the density (mip-NeRF): where a ReLU is shut on all of a ray, nothing is learnt any more.
        """

        def ask(points, directions):
            which = lambda model, *given: getattr(model, name)(*given)  # noqa: E731
            density, colour = self.network.apply({"params": params}, points, directions, told, method=which)
            return DENSE * jax.nn.softplus(density - 1), jax.nn.sigmoid(colour)

        return ask

    def _head_rays(self, moment: Moment, pixels):
        """In units of the head's own space, where they cross it."""
        seen, corner = head_rays(self.camera, moment, pixels), jnp.ones(3)
        return seen, *rays.box(seen, -corner, corner)

    def _torso_rays(self, moment: Moment, pixels):
        """In the same unit, from where the torso's pixels rest."""
        place = moment.where_it_rests(2 * pixels / self.size - 1)
        seen = rays.through(self.camera, (place + 1) / 2 * self.size)
        near = jnp.broadcast_to((self.camera.distance - DEEP) / UNIT, (len(pixels),))
        return rays.Rays(seen.origin / UNIT, seen.direction), near, near + 2 * DEEP / UNIT

    def _joined(self, front: Composite, behind: Composite, background) -> Drawn:
        colour = compositing.over(front, compositing.over(behind, background))
        nothing = jnp.zeros(len(colour))
        asked = nothing + 2 * (2 * self.counts[0] + self.counts[1])
        return Drawn(colour, front.opacity, behind.opacity, jnp.zeros((len(colour), 2)), nothing, asked)
