"""Rotations of the head.

One convention for the whole project: angles are (pitch, yaw, roll) in radians and the matrix acts on column vectors,

    R = Rz(roll) @ Ry(yaw) @ Rx(pitch)

with the axes of `jaxtalk.face`. Positive pitch looks down, positive yaw turns the nose to the right of the image,
positive roll tilts the head counter-clockwise in the image.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def matrix(angles: Float[Array, "*b 3"]) -> Float[Array, "*b 3 3"]:
    """Rotation matrix of (pitch, yaw, roll) in radians."""
    pitch, yaw, roll = angles[..., 0], angles[..., 1], angles[..., 2]
    cp, sp = jnp.cos(pitch), jnp.sin(pitch)
    cy, sy = jnp.cos(yaw), jnp.sin(yaw)
    cr, sr = jnp.cos(roll), jnp.sin(roll)
    rows = [
        [cr * cy, cr * sy * sp - sr * cp, cr * sy * cp + sr * sp],
        [sr * cy, sr * sy * sp + cr * cp, sr * sy * cp - cr * sp],
        [-sy, cy * sp, cy * cp],
    ]
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)


def angles(rotation: Float[Array, "*b 3 3"]) -> Float[Array, "*b 3"]:
    """(pitch, yaw, roll) of a rotation matrix; yaw within +-pi/2, the inverse of `matrix` there."""
    yaw = jnp.arcsin(jnp.clip(-rotation[..., 2, 0], -1.0, 1.0))
    pitch = jnp.arctan2(rotation[..., 2, 1], rotation[..., 2, 2])
    roll = jnp.arctan2(rotation[..., 1, 0], rotation[..., 0, 0])
    return jnp.stack([pitch, yaw, roll], axis=-1)


def quaternion(angles: Float[Array, "*b 3"]) -> Float[Array, "*b 4"]:
    """Unit quaternion (x, y, z, w), glTF's order, of (pitch, yaw, roll)."""
    c, s = jnp.cos(angles / 2), jnp.sin(angles / 2)
    (cp, cy, cr), (sp, sy, sr) = jnp.moveaxis(c, -1, 0), jnp.moveaxis(s, -1, 0)
    x = sp * cy * cr - cp * sy * sr
    y = cp * sy * cr + sp * cy * sr
    z = cp * cy * sr - sp * sy * cr
    w = cp * cy * cr + sp * sy * sr
    return jnp.stack([x, y, z, w], axis=-1)
