"""What a face looks like where no photograph says it: the built-in face is painted, others get plain colours."""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxtalk.face import builtin, builtin_texture, feature_points
from jaxtalk.face.feature_points import Features
from jaxtalk.face.model import REGIONS, FaceModel
from jaxtalk.io import glb

IRIS, PUPIL = np.cos(np.radians(26.0)), np.cos(np.radians(9.0))
IRIS_COLOUR, PUPIL_COLOUR = (0.10, 0.06, 0.03), (0.005, 0.005, 0.005)
_GAMMA = 2.2


def dress(model: FaceModel, features: Features) -> tuple[FaceModel, Float[Array, "h w 3"] | Float[Array, "v 3"]]:
    """The model to draw, and its texture or the colours of its vertices in linear light."""
    if model is builtin.model():
        paint = builtin_texture.paint(builtin_texture.Look(), np.random.default_rng(0))
        return model, jnp.asarray(paint**_GAMMA, jnp.float32)
    colours = np.tile(np.array(glb.COLOURS["skin"]), (len(model.template), 1))
    for region in REGIONS[1:]:
        colours[feature_points.of_regions(model, region)] = glb.COLOURS[region]
    if features.known[feature_points.EYES[0][0]]:
        for eye in features.eyes:
            _iris(colours, np.asarray(model.template, np.float64), eye)
    # Lashes are cards that only a texture makes fine.
    keep = np.asarray(model.region) != REGIONS.index("hair")
    model = dataclasses.replace(
        model, triangles=model.triangles[keep], uv_triangles=model.uv_triangles[keep], region=model.region[keep]
    )
    return model, jnp.asarray(colours, jnp.float32)


def _iris(colours, shape, eye) -> None:
    """Iris and pupil about the front of an eyeball."""
    own = np.asarray(eye.vertices)
    away = shape[own] - np.asarray(eye.centre, np.float64)
    facing = away[:, 2] / np.linalg.norm(away, axis=-1)
    colours[own[facing > IRIS]] = IRIS_COLOUR
    colours[own[facing > PUPIL]] = PUPIL_COLOUR
