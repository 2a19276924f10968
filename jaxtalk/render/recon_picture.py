"""The picture that Deep3DFaceRecon's coefficients mean: what its training compares with the photograph.

    coefficients --shape, pose--> vertices --rasterise--> triangle and barycentric weights of each pixel
                 --albedo, light at the vertices--> colours --interpolate--> picture

Gradients reach light and texture through the colours, and shape and pose through the normals that are lit and through
the barycentric weights: a point of the surface moves with its colour. They do not see what becomes visible or hidden:
the outline and the triangle that each pixel sees are constants (so in the published code, whose rasteriser antialiases
nothing either). Landmarks pull at the outline instead.
"""

from typing import NamedTuple

import jax
from jaxtyping import Array, Bool, Float

from jaxtalk.face import recon_geometry
from jaxtalk.face.recon_face import ReconFace
from jaxtalk.face.recon_geometry import Coefficients
from jaxtalk.render import lighting
from jaxtalk.render.rasterise import interpolate, rasterise


class Drawn(NamedTuple):
    picture: Float[Array, "b s s 3"]  # as coded in the photograph, 0 to 1 but not clipped; 0 where there is no face
    covered: Bool[Array, "b s s"]
    landmarks: Float[Array, "b 68 2"]  # pixels of the published crop of 224
    albedo: Float[Array, "b v 3"]


def draw(face: ReconFace, coefficients: Coefficients, size: int) -> Drawn:
    """Faces in crops of `size` pixels a side, differentiable in the coefficients."""
    triangles = face.model.triangles
    vertices = recon_geometry.vertices(face.model, coefficients)
    albedo = face.albedo.colours(coefficients.texture)
    normals = recon_geometry.normals(vertices, triangles)
    colours = jax.vmap(lighting.shade)(normals, albedo, recon_geometry.light(coefficients.light))
    points = recon_geometry.CAMERA.project(vertices[:, face.model.landmarks])[..., :2]

    def one(screen, colours):
        fragments = rasterise(screen, triangles, size, size, perspective=True, cull=True)
        return interpolate(fragments, triangles, colours), fragments.triangle >= 0

    picture, covered = jax.vmap(one)(recon_geometry.camera(size).project(vertices), colours)
    return Drawn(picture, covered, points, albedo)
