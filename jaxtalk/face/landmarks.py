"""The 68 landmarks in Multi-PIE (iBUG) order, and what the project measures on them.

0-16 jaw from the left of the image to the right, 17-26 brows, 27-35 nose, 36-47 eyes (36-41 the image's left one),
48-59 outer lips from the left corner over the top, 60-67 inner lips.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

INNER_LIPS = ((61, 67), (62, 66), (63, 65))  # upper and lower points that face each other
EYE_CORNERS = (36, 45)  # outer
EYES = ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47))  # corner, two above, corner, two below


def lip_opening(points: Float[Array, "*b 68 d"]) -> Float[Array, "*b"]:
    """Mean distance of the three pairs of inner lip points over the distance of the outer eye corners (2D or 3D)."""
    upper, lower = (points[..., jnp.array(index), :] for index in zip(*INNER_LIPS, strict=True))
    opening = jnp.linalg.norm(upper - lower, axis=-1).mean(-1)
    return opening / jnp.linalg.norm(points[..., EYE_CORNERS[0], :] - points[..., EYE_CORNERS[1], :], axis=-1)


def mouth_width(points: Float[Array, "*b 68 d"]) -> Float[Array, "*b"]:
    """Distance of the mouth's corners over the distance of the outer eye corners."""
    eyes = jnp.linalg.norm(points[..., EYE_CORNERS[0], :] - points[..., EYE_CORNERS[1], :], axis=-1)
    return jnp.linalg.norm(points[..., 48, :] - points[..., 54, :], axis=-1) / eyes


def eye_aspect_ratio(points: Float[Array, "*b 68 d"]) -> Float[Array, "*b"]:
    """How open the eyes are: (|p2 - p6| + |p3 - p5|) / (2 |p1 - p4|) of the six points of an eye, mean of both eyes.

    Soukupova and Cech, "Real-time eye blink detection using facial landmarks" (CVWW 2016), eq. 1. About 0.2 to 0.4 for
    open eyes, near 0 for shut ones; 2D or 3D, whatever the size, place and roll of the face.
    """

    def ratio(eye):
        p1, p2, p3, p4, p5, p6 = (points[..., index, :] for index in eye)
        height = jnp.linalg.norm(p2 - p6, axis=-1) + jnp.linalg.norm(p3 - p5, axis=-1)
        return height / (2 * jnp.maximum(jnp.linalg.norm(p1 - p4, axis=-1), 1e-6))

    left, right = (ratio(eye) for eye in EYES)
    return (left + right) / 2
