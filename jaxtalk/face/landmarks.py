"""The 68 landmarks in Multi-PIE (iBUG) order, and what the project measures on them.

0-16 jaw from the left of the image to the right, 17-26 brows, 27-35 nose, 36-47 eyes (36-41 the image's left one),
48-59 outer lips from the left corner over the top, 60-67 inner lips.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

INNER_LIPS = ((61, 67), (62, 66), (63, 65))  # upper and lower points that face each other
EYE_CORNERS = (36, 45)  # outer


def lip_opening(points: Float[Array, "*b 68 d"]) -> Float[Array, "*b"]:
    """Mean distance of the three pairs of inner lip points over the distance of the outer eye corners (2D or 3D)."""
    upper, lower = (points[..., jnp.array(index), :] for index in zip(*INNER_LIPS, strict=True))
    opening = jnp.linalg.norm(upper - lower, axis=-1).mean(-1)
    return opening / jnp.linalg.norm(points[..., EYE_CORNERS[0], :] - points[..., EYE_CORNERS[1], :], axis=-1)


def mouth_width(points: Float[Array, "*b 68 d"]) -> Float[Array, "*b"]:
    """Distance of the mouth's corners over the distance of the outer eye corners."""
    eyes = jnp.linalg.norm(points[..., EYE_CORNERS[0], :] - points[..., EYE_CORNERS[1], :], axis=-1)
    return jnp.linalg.norm(points[..., 48, :] - points[..., 54, :], axis=-1) / eyes
