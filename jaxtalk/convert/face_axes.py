"""What every published face model needs to become ours: its origin, outward triangles and a place for a texture."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxtalk.face import store
from jaxtalk.face.model import FaceModel

# From the origin, midway between the ears, to the middle of the outer eye corners, in metres (the built-in head's).
EYES = np.array([0.0, 0.0229, 0.0788])


def build(
    *,
    template: Float[np.ndarray, "v 3"],
    identity: Float[np.ndarray, "i v 3"],
    expression: Float[np.ndarray, "e v 3"],
    names: tuple[str, ...],
    triangles: Int[np.ndarray, "f 3"],
    landmarks: Int[np.ndarray, "68"],
    region: Int[np.ndarray, "f"] | None = None,
    uv: Float[np.ndarray, "u 2"] | None = None,
    uv_triangles: Int[np.ndarray, "f 3"] | None = None,
) -> FaceModel:
    """A FaceModel from arrays in metres with x right, y up, z towards the viewer.

    Moves the origin, turns triangles outwards, and lays out a texture around the head where there is none. ValueError
    if the arrays do not fit together.
    """
    fields = {"template": template, "identity": identity, "expression": expression, "triangles": triangles}
    fields |= {
        "landmarks": np.asarray(landmarks),
        "region": np.zeros(len(triangles), int) if region is None else region,
    }
    if uv is None:
        uv, uv_triangles = around_the_head(template), triangles
    store.check({**fields, "uv": uv, "uv_triangles": uv_triangles}, names)
    template = template - (template[landmarks[[36, 45]]].mean(axis=0) - EYES)
    if _volume(template, triangles) < 0:
        triangles, uv_triangles = triangles[:, ::-1], uv_triangles[:, ::-1]
    floats = {"template": template, "identity": identity, "expression": expression, "uv": uv}
    integers = {
        "triangles": triangles,
        "uv_triangles": uv_triangles,
        "landmarks": landmarks,
        "region": fields["region"],
    }
    return FaceModel(
        **{name: jnp.asarray(array, jnp.float32) for name, array in floats.items()},
        **{name: jnp.asarray(array, jnp.int32) for name, array in integers.items()},
        expression_names=names,
    )


def around_the_head(template: Float[np.ndarray, "v 3"]) -> Float[np.ndarray, "v 2"]:
    """Texture coordinates on a cylinder about the vertical axis, with the seam at the back."""
    centred = template - (template.max(0) + template.min(0)) / 2
    across = np.arctan2(centred[:, 0], centred[:, 2]) / (2 * np.pi) + 0.5
    return np.stack([across, centred[:, 1] / max(np.ptp(centred[:, 1]), 1e-9) + 0.5], axis=1)


def _volume(template, triangles):
    """Signed volume between the surface and its middle: positive where triangles face outwards, for open faces too."""
    a, b, c = (template[triangles[:, k]] - template.mean(axis=0) for k in range(3))
    return np.einsum("fi,fi->", a, np.cross(b, c))
