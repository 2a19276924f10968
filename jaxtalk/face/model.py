"""FaceModel: a linear (3DMM) face, the same type for the built-in model, ICT-FaceKit, FLAME and BFM.

    vertices = template + identity coefficients @ identity basis + expression coefficients @ expression basis

(Blanz and Vetter 1999, with separate expression blendshapes.) Pose is applied outside the model, by `pose`.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxtalk.face import rotation

# What a triangle belongs to; `FaceModel.region` holds indices into this tuple.
REGIONS = ("skin", "mouth", "teeth_upper", "teeth_lower", "tongue", "eye", "hair", "other")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceModel:
    """Geometry in metres with the axes of `jaxtalk.face`. A pytree: arrays are leaves, names are static."""

    template: Float[Array, "v 3"]
    identity: Float[Array, "i v 3"]  # scaled to standard deviations: coefficients are about normal(0, 1)
    expression: Float[Array, "e v 3"]  # a coefficient of 1 is the full shape
    triangles: Int[Array, "f 3"]  # counter-clockwise seen from outside
    uv: Float[Array, "u 2"]  # in [0, 1], v up (OpenGL, glTF flips it)
    uv_triangles: Int[Array, "f 3"]  # indices into uv, triangle by triangle as `triangles`
    landmarks: Int[Array, "68"]  # vertices of the 68 points in Multi-PIE (iBUG) order
    region: Int[Array, "f"]  # index into REGIONS
    expression_names: tuple[str, ...] = dataclasses.field(metadata={"static": True})

    def vertices(
        self, identity: Float[Array, "*b i"] | None = None, expression: Float[Array, "*b e"] | None = None
    ) -> Float[Array, "*b v 3"]:
        """Vertices before pose. Fewer identity coefficients than the basis has are padded with zeros."""
        vertices = self.template
        if identity is not None:
            moved = jnp.einsum("...i,ivc->...vc", identity, self.identity[: identity.shape[-1]])
            vertices = sum(jnp.broadcast_arrays(vertices, moved))
        if expression is not None:
            moved = jnp.einsum("...e,evc->...vc", expression, self.expression)
            vertices = sum(jnp.broadcast_arrays(vertices, moved))
        return vertices


def pose(
    vertices: Float[Array, "*b v 3"], angles: Float[Array, "*b 3"], translation: Float[Array, "*b 3"]
) -> Float[Array, "*b v 3"]:
    """Turns by (pitch, yaw, roll) about the head's origin, then moves by `translation` metres."""
    return jnp.einsum("...ij,...vj->...vi", rotation.matrix(angles), vertices) + translation[..., None, :]


def normals(vertices: Float[Array, "*b v 3"], triangles: Int[Array, "f 3"]) -> Float[Array, "*b v 3"]:
    """Unit vertex normals, weighted by the area of the triangles around."""
    a, b, c = (vertices[..., triangles[:, k], :] for k in range(3))
    face = jnp.cross(b - a, c - a)
    total = jnp.zeros_like(vertices)
    for k in range(3):
        total = total.at[..., triangles[:, k], :].add(face)
    return total / jnp.maximum(jnp.linalg.norm(total, axis=-1, keepdims=True), 1e-12)
