"""Distant light on matt surfaces by nine spherical harmonics, as 3DMM fitting uses it (Ramamoorthi and Hanrahan 2001).

    colour = albedo / pi * sum_lm A_l L_lm Y_lm(normal)

A surface that scatters evenly sees the light around it through a clamped cosine, which passes hardly more than the
first three bands: A_0 = pi, A_1 = 2 pi / 3, A_2 = pi / 4 (eq. 8).
"""

import numpy as np
from jax import numpy as jnp
from jaxtyping import Array, Bool, Float

# Coefficients of an even white light: `shade` then returns the albedo.
WHITE = np.zeros((9, 3), np.float32)
WHITE[0] = np.sqrt(4 * np.pi)


def basis(normals: Float[Array, "*p 3"]) -> Float[Array, "*p 9"]:
    """A_l / pi Y_lm at unit normals, ordered (0,0), (1,-1), (1,0), (1,1), (2,-2) ... (2,2) (eq. 3)."""
    x, y, z = normals[..., 0], normals[..., 1], normals[..., 2]
    band0 = [0.282095 * jnp.ones_like(x)]
    band1 = [2 / 3 * 0.488603 * axis for axis in (y, z, x)]
    band2 = [1.092548 * x * y, 1.092548 * y * z, 0.315392 * (3 * z**2 - 1), 1.092548 * x * z, 0.546274 * (x**2 - y**2)]
    return jnp.stack(band0 + band1 + [value / 4 for value in band2], -1)


def shade(
    normals: Float[Array, "*p 3"], albedo: Float[Array, "*p 3"], coefficients: Float[Array, "9 3"]
) -> Float[Array, "*p 3"]:
    """Colour of a matt surface under the light L_lm = `coefficients`, per colour channel. Not clipped."""
    return albedo * (basis(normals) @ coefficients)


def fit(
    normals: Float[Array, "*p 3"], colours: Float[Array, "*p 3"], mask: Bool[Array, "*p"], ridge: float = 1e-4
) -> Float[Array, "9 3"]:
    """The light that best explains `colours` where `mask` holds, by least squares for an albedo of 1.

    The surface's mean colour thus ends up in the light; divide `colours` by the albedo where it is known. A face
    shows only half of all normals, so `ridge` (relative to the number of points) keeps the unseen half tame.
    """
    a = (basis(normals) * mask[..., None]).reshape(-1, 9)
    b = (colours * mask[..., None]).reshape(-1, 3)
    damping = ridge * jnp.maximum(mask.sum(), 1) * jnp.diag(jnp.array([1e-3] + 8 * [1.0]))
    return jnp.linalg.solve(a.T @ a + damping, a.T @ b)
