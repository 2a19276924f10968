"""What Deep3DFaceRecon's coefficients mean: a Basel face before its camera (Deng et al., CVPRW 2019, sec. 3).

    shape       S = mean + identity . B_id + expression . B_exp         `FaceModel.vertices`
    albedo      T = mean + texture . B_tex                              `Albedo.colours`
    pose        p = R (S - centre of the mean shape) + translation      `head_pose`, then `jaxtalk.face.model.pose`
    picture     pinhole of focal length 1015, 10 units away, into 224 x 224 pixels        `CAMERA`
    colour      T * sum_k light_k Y_k(R n)                              `jaxtalk.render.lighting.shade` with `light`

SadTalker's coefficients are the same. The published unit is a decimetre; here all lengths but the translation among
the coefficients are metres, which leaves the picture as it is. The rotation is our own, `jaxtalk.face.rotation`:
R = Rz(roll) Ry(yaw) Rx(pitch) on column vectors, x to the right of the image, y up, z towards the viewer, radians.

The published code gives landmarks with y upwards from the picture's lower edge: (x, 224 - y) of ours. It then turns
them into rows as 223 - y, as if pixel middles lay at whole numbers, so they stand half a pixel right of and above the
face that it renders; ours stand on it.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxtalk.face import rotation
from jaxtalk.face.camera import Pinhole
from jaxtalk.face.model import FaceModel, pose

UNIT = 0.1  # metres in the published unit of length
SIZE = 224  # pixels: side of the picture


def camera(size: int) -> Pinhole:
    """The camera for crops of another size: the same view at another resolution."""
    centre = np.full(2, size / 2, np.float32)
    return Pinhole(focal=np.float32(1015 * size / SIZE), centre=centre, distance=np.float32(10 * UNIT))


CAMERA = camera(SIZE)

# Their light over that of `lighting.shade`, band by band: pi, sqrt(3) pi and sqrt(8) pi. Theirs keeps the sign that
# spherical harmonics of odd order have in quantum mechanics.
_BANDS = np.pi * np.sqrt(np.array([1, 3, 3, 3, 8, 8, 8, 8, 8]))
_SIGNS = np.array([1, -1, 1, -1, 1, -1, 1, -1, 1])
_AMBIENT = np.eye(9)[0] * 0.8  # is added to what the network says


class Coefficients(NamedTuple):
    """Coefficients by name, in the order of the published vector of 257; the first three as many as the face has."""

    identity: Float[Array, "*b i"]  # published: 80
    expression: Float[Array, "*b e"]  # 64
    texture: Float[Array, "*b t"]  # 80
    angles: Float[Array, "*b 3"]  # pitch, yaw, roll
    light: Float[Array, "*b 27"]  # nine harmonics for red, then for green, then for blue; published as gamma
    translation: Float[Array, "*b 3"]  # decimetres


_ENDS = (80, 144, 224, 227, 254)


def split(vector: Float[Array, "*b 257"]) -> Coefficients:
    """The published vector by name."""
    return Coefficients(*jnp.split(vector, _ENDS, axis=-1))


def join(coefficients: Coefficients) -> Float[Array, "*b n"]:
    """The inverse of `split`, for a face of any size."""
    return jnp.concatenate(coefficients, axis=-1)


def head_pose(model: FaceModel, coefficients: Coefficients) -> tuple[Float[Array, "*b 3"], Float[Array, "*b 3"]]:
    """Angles, and the translation in metres that `model.pose` and Motion want: about our origin, between the ears.

    The published origin is the middle of all vertices of the mean shape, which lies further forward.
    """
    centre = model.template.mean(0)
    turned = jnp.einsum("...ij,j->...i", rotation.matrix(coefficients.angles), centre, precision="highest")
    return coefficients.angles, UNIT * coefficients.translation - turned


def vertices(model: FaceModel, coefficients: Coefficients) -> Float[Array, "*b v 3"]:
    """The posed face in metres, as `CAMERA` sees it."""
    shape = model.vertices(coefficients.identity, coefficients.expression)
    return pose(shape, *head_pose(model, coefficients))


def landmarks(model: FaceModel, coefficients: Coefficients) -> Float[Array, "*b 68 2"]:
    """The 68 points in pixels of the crop: vertices, so those of the jaw do not slide along the outline."""
    return CAMERA.project(vertices(model, coefficients)[..., model.landmarks, :])[..., :2]


def normals(vertices: Float[Array, "*b v 3"], triangles: Int[Array, "f 3"]) -> Float[Array, "*b v 3"]:
    """Unit normals, to which all triangles around a vertex give the same weight, unlike those of `face.model`."""
    a, b, c = (vertices[..., triangles[:, k], :] for k in range(3))
    flat = _unit(jnp.cross(a - b, b - c))
    total = jnp.zeros_like(vertices)
    for k in range(3):
        total = total.at[..., triangles[:, k], :].add(flat)
    return _unit(total)


class Albedo(NamedTuple):
    """The skin's colours at the vertices, RGB; 1 is white."""

    mean: Float[Array, "v 3"]
    basis: Float[Array, "i v 3"]  # a coefficient of 1 is a standard deviation

    def colours(self, texture: Float[Array, "*b i"]) -> Float[Array, "*b v 3"]:
        """Not clipped."""
        moved = jnp.einsum("...i,ivc->...vc", texture, self.basis)
        return moved + jnp.broadcast_to(self.mean, moved.shape)


def light(gamma: Float[Array, "*b 27"]) -> Float[Array, "*b 9 3"]:
    """`Coefficients.light` as `jaxtalk.render.lighting.shade` takes it: zeros are an even light of 0.8 sqrt(pi) / 2."""
    by_colour = gamma.reshape(*gamma.shape[:-1], 3, 9)
    factors = jnp.asarray(_BANDS * _SIGNS, gamma.dtype)
    lit = by_colour + jnp.broadcast_to(jnp.asarray(_AMBIENT, gamma.dtype), by_colour.shape)
    return jnp.swapaxes(lit * jnp.broadcast_to(factors, lit.shape), -1, -2)


def _unit(x):
    length = jnp.sqrt(jnp.maximum((x**2).sum(-1, keepdims=True), 1e-24))
    return x / length
