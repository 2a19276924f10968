"""How far are expression and pose of the drawn face from those of the driving one? AED and APD.

Named in PIRenderer (Ren et al., ICCV 2021), which gives no formula and no code; we follow what was released
later (OTAvatar, GAGAvatar): the mean absolute difference of the coefficients that a 3D reconstruction network finds
in both frames. From 0, lower is better. Traps:

- The unit is that of the network's coefficients: 64 expressions and three angles in radians of Deep3DFaceRecon, or 50
  expressions of DECA, are different figures. So is the root of the mean square, which others print under these names.
- "Pose" is sometimes three angles only and sometimes six numbers, angles and translation mixed whatever their units.
- AED is also the name of the distance of identity embeddings in the tables of the first-order motion model (2019).
- A reconstruction that is unsure of closed eyes or of profiles finds the same wrong coefficients in both frames.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def expression_distance(predicted: Float[Array, "*b e"], truth: Float[Array, "*b e"]) -> Float[Array, "*b"]:
    """AED of each frame: mean over the coefficients of |predicted - truth|, in their unit."""
    return jnp.abs(predicted - truth).mean(-1)


def pose_distance(predicted: Float[Array, "*b p"], truth: Float[Array, "*b p"]) -> Float[Array, "*b"]:
    """APD of each frame: mean over the pose's numbers of |predicted - truth|, in radians for three angles.

    Angles are compared as numbers: heads do not turn past half a circle.
    """
    return jnp.abs(predicted - truth).mean(-1)
