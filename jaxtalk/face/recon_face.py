"""The face that Deep3DFaceRecon's coefficients move: the front of a face model, with colours at its vertices.

    FaceModel, Albedo --triangles between ears, chin and hairline--> ReconFace

BFM's converter already leaves out what lies behind; the published photo loss leaves out more (its "front face"). The
cut is the same for every model here, made from its landmarks.
"""

from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxtalk.errors import InputError
from jaxtalk.face import builtin, builtin_albedo, store
from jaxtalk.face.model import REGIONS, FaceModel
from jaxtalk.face.recon_geometry import Albedo

BEHIND, BELOW, ABOVE = 0.005, 0.006, 0.05  # metres: beyond the jaw's ends, the chin and the brows, what is kept
FEATURE = 0.009  # metres: skin so near to a landmark of brows, eyes or lips may have another colour


class ReconFace(NamedTuple):
    model: FaceModel
    albedo: Albedo
    skin: Float[Array, "v"]  # 1 at vertices that should have one colour: no brows, eyes or lips


def load(path: Path | None) -> ReconFace:
    """The face of a file that `jaxtalk convert bfm` wrote; the built-in one without a path.

    Raises InputError for a face model without colours.
    """
    if path is None:
        return build(builtin.model(), builtin_albedo.build())
    model = store.load(path)
    albedo = store.load_albedo(path, model)
    if albedo is None:
        raise InputError(f"{path}: has no colours of the skin; use BFM (jaxtalk convert bfm), or no --model")
    return build(model, albedo)


def build(model: FaceModel, albedo: Albedo) -> ReconFace:
    """The front of a face, with only the vertices that it needs."""
    place, points = np.asarray(model.template), np.asarray(model.template[model.landmarks])
    low, high = points[8, 1] - BELOW, points[17:27, 1].max() + ABOVE
    front = (place[:, 2] > points[[0, 16], 2].min() - BEHIND) & (place[:, 1] > low) & (place[:, 1] < high)
    triangles = np.asarray(model.triangles)
    chosen = front[triangles].all(1)
    kept = np.union1d(triangles[chosen], np.asarray(model.landmarks))
    number = np.full(len(place), -1)
    number[kept] = np.arange(len(kept))
    cut = FaceModel(
        template=model.template[kept],
        identity=model.identity[:, kept],
        expression=model.expression[:, kept],
        triangles=_index(number[triangles[chosen]]),
        uv=model.uv,
        uv_triangles=model.uv_triangles[np.flatnonzero(chosen)],
        landmarks=_index(number[np.asarray(model.landmarks)]),
        region=model.region[np.flatnonzero(chosen)],
        expression_names=model.expression_names,
    )
    return ReconFace(cut, Albedo(albedo.mean[kept], albedo.basis[:, kept]), _skin(cut))


def _skin(model):
    points = np.asarray(model.template[model.landmarks])
    features = points[[*range(17, 27), *range(36, 68)]]
    apart = np.linalg.norm(np.asarray(model.template)[:, None] - features[None], axis=-1).min(1)
    other = np.asarray(model.triangles)[np.asarray(model.region) != REGIONS.index("skin")]
    skin = apart > FEATURE
    skin[other] = False
    return jnp.asarray(skin, jnp.float32)


def _index(values: Int[np.ndarray, "*n"]) -> Int[Array, "*n"]:
    return jnp.asarray(values, jnp.int32)
