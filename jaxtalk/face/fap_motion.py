"""Motion to MPEG-4 parameters and back, on any face model that has expression shapes.

There: the shapes move the feature points, and the parameters are read off these (`Features.measure`). Back: the
coefficients e that bring the points where the parameters want them,

    minimise |A e - d|^2 + ridge |e|^2  with e within bounds,

where d are displacements of the points (and of the eyes' looks) in millimetres and A those of each shape: non-negative
least squares, by a fixed number of sweeps of coordinate descent. Parameters count in the face's own units, so the
stream that one face gave drives another. The head's translation has no parameter and is lost.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

from jaxtalk.face import arkit, fap, feature_points
from jaxtalk.face.feature_points import Features
from jaxtalk.face.model import FaceModel
from jaxtalk.face.motion import Motion

RIDGE = 0.3  # square millimetres for a whole coefficient
UNSELECTED = 0.1  # weight of what a stream does not give: it ought to stay neutral
SWEEPS = 300
FREE = 3.0  # standard deviations that shapes with no ARKit name may go to either side
MILLIMETRE = 1e-3


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Shapes:
    """What a model's expression shapes do to its feature points; made by `shapes`."""

    features: Features
    response: Float[Array, "e q 3"]  # metres for a coefficient of 1
    least: Float[Array, "e"]
    most: Float[Array, "e"]
    names: tuple[str, ...] = dataclasses.field(metadata={"static": True})

    def rows(self) -> Float[Array, "e r"]:
        """A: millimetres along each parameter's axis, then of the direction of each eye."""
        at = self.features
        along = jnp.einsum("efc,fc->ef", self.response[:, at.point], at.axis)
        looks = self.response[:, -4:-2] - self.response[:, -2:]
        return jnp.concatenate([along, looks.reshape(len(looks), -1)], axis=-1) / MILLIMETRE

    def wanted(self, faps: Float[Array, "*b 68"]) -> Float[Array, "*b r"]:
        """d: what the parameters ask of the rows of A."""
        at = self.features
        turns = at.eye_rotation(faps[..., jnp.array(feature_points.EYES)] * fap.AU)
        looks = at.neutral[-4:-2] - at.neutral[-2:]
        turned = jnp.einsum("...eij,ej->...ei", turns, looks)
        moved = turned - looks.reshape((1,) * (turned.ndim - 2) + looks.shape)
        moved = moved.reshape(*moved.shape[:-2], 6)
        return jnp.concatenate([at.displacements(faps), moved], axis=-1) / MILLIMETRE

    def weights(self, selected: Bool[np.ndarray, "68"]) -> Float[Array, "r"]:
        """How much each row counts, given which parameters a stream gives."""
        low = jnp.asarray(selected)[self.features.column]
        eyes = jnp.asarray(selected)[jnp.array(feature_points.EYES)].any(-1)
        return jnp.where(jnp.concatenate([low, jnp.repeat(eyes, 3)]), 1.0, UNSELECTED)


def shapes(model: FaceModel, identity: Float[Array, "i"] | None = None) -> Shapes:
    """The shapes of a model (for the face of `identity`); those with ARKit's names stay within 0 and 1."""
    features = feature_points.find(model, identity)
    named = jnp.array([name in arkit.INDEX for name in model.expression_names])
    least, most = jnp.where(named, 0.0, -FREE), jnp.where(named, 1.0, FREE)
    return Shapes(features, features.gather(model.expression), least, most, model.expression_names)


def from_motion(on: Shapes, motion: Motion) -> Float[Array, "t 68"]:
    """Parameters (not rounded) of a motion of this model; coefficients are matched by name."""
    expression = by_name(motion, on.names)
    faps = on.features.measure(_places(on, expression))
    return faps.at[:, jnp.array(fap.HEAD)].set(motion.rotation / fap.AU)


def to_motion(
    on: Shapes, faps: Float[Array, "t 68"], fps: float, selected: Bool[np.ndarray, "68"] | None = None
) -> Motion:
    """The motion of this model that comes closest to the parameters; its translation is 0."""
    selected = np.ones(fap.COUNT, bool) if selected is None else selected
    rotation = faps[:, jnp.array(fap.HEAD)] * fap.AU
    return Motion(solve(on, faps, on.weights(selected)), rotation, jnp.zeros_like(rotation), fps, on.names)


@jax.jit
def solve(on: Shapes, faps: Float[Array, "t 68"], weights: Float[Array, "r"]) -> Float[Array, "t e"]:
    """The bounded coefficients that bring the feature points nearest to where the parameters want them."""
    rows = on.rows() * weights[None]
    gram = rows @ rows.T + RIDGE * jnp.eye(len(rows))
    right = (on.wanted(faps) * weights[None]) @ rows.T  # t e

    def one(step, e):
        k = step % len(gram)
        best = e[:, k] + (right[:, k] - e @ gram[k]) / gram[k, k]
        return e.at[:, k].set(jnp.clip(best, on.least[k], on.most[k]))

    return lax.fori_loop(0, SWEEPS * len(gram), one, jnp.zeros_like(right))


def vertices(
    on: Shapes,
    model: FaceModel,
    expression: Float[Array, "t e"],
    faps: Float[Array, "t 68"],
    identity: Float[Array, "i"] | None = None,
) -> Float[Array, "t v 3"]:
    """Vertices of the coefficients that `solve` gave, and eyes turned where no shape turns them as parameters ask.

    Not posed. The published shapes of ICT-FaceKit, for one, move lids and leave eyeballs where they are.
    """
    shape = model.vertices(identity)[None] + jnp.einsum("te,evc->tvc", expression, model.expression)
    eyes = jnp.array(feature_points.EYES)
    missing = (faps - on.features.measure(_places(on, expression)))[:, eyes] * fap.AU
    missing = jnp.where(on.features.known[eyes][None], missing, 0.0)
    return on.features.turn_eyes(shape, missing, jnp.zeros((len(faps), 2)))


def by_name(motion: Motion, names: tuple[str, ...]) -> Float[Array, "t e"]:
    """A motion's coefficients in the order of these names; 0 where it has none of a name."""
    place = {name: k for k, name in enumerate(motion.names)}
    zero = jnp.zeros(len(motion))
    return jnp.stack([motion.expression[:, place[name]] if name in place else zero for name in names], axis=-1)


def _places(on, expression):
    return on.features.neutral[None] + jnp.einsum("te,eqc->tqc", expression, on.response)
