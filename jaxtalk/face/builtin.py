"""The built-in face model: a head made entirely by code, so that everything runs with nothing downloaded.

    from jaxtalk.face import builtin
    model = builtin.model()

About six thousand vertices: skin and scalp, lips that part, lids that close, eyeballs, separate upper and lower teeth,
gums, tongue and mouth cavity; traits of identity; the 52 ARKit shapes. docs/face_model.md tells how it is built.
"""

import functools

import jax.numpy as jnp
import numpy as np

from jaxtalk.face import (
    arkit,
    builtin_expression,
    builtin_eyes,
    builtin_identity,
    builtin_landmarks,
    builtin_mesh,
    builtin_skin,
    builtin_teeth,
    builtin_tongue,
)
from jaxtalk.face.model import FaceModel

MILLIMETRE = 1e-3


@functools.cache
def mesh():
    """The whole mesh in millimetres with its named grids of vertices, and each vertex's mirror image."""
    halves = [builtin_skin.half(), builtin_eyes.half(), builtin_teeth.half(), builtin_tongue.half()]
    return builtin_mesh.reflect(builtin_mesh.join(halves))


@functools.cache
def model() -> FaceModel:
    """The built-in model; its identity coefficients are named by `builtin_identity.NAMES`."""
    whole, back = mesh()
    return FaceModel(
        template=_metres(whole.points),
        identity=_metres(builtin_identity.basis(whole)),
        expression=_metres(builtin_expression.basis(whole, back)),
        triangles=_array(whole.triangles, np.int32),
        uv=_array(whole.uv, np.float32),
        uv_triangles=_array(whole.uv_triangles, np.int32),
        landmarks=_array(builtin_landmarks.indices(whole, back), np.int32),
        region=_array(whole.region, np.int32),
        expression_names=arkit.NAMES,
    )


def _metres(millimetres):
    return _array(millimetres * MILLIMETRE, np.float32)


def _array(values, dtype):
    return jnp.asarray(np.asarray(values, dtype))  # numpy converts without compiling
