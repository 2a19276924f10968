"""Real spherical harmonics of directions, which let a colour depend on where it is seen from.

    Y_lm = K_lm P_lm(z) / (1 - z^2)^(|m|/2) * Re or Im (x + i y)^|m|        Re for m >= 0, Im for m < 0

with associated Legendre functions that contain the sign (-1)^m. The quotient is a polynomial of z, so values and
derivatives are smooth at the poles too. Directions that are not of length 1 are not normalised: then these are just
polynomials, the published ones.
"""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxtalk.errors import InputError


def harmonics(directions: Float[Array, "*p 3"], degree: int = 4) -> Float[Array, "*p n"]:
    """The degree^2 harmonics of the bands l < degree, ordered (0,0), (1,-1), (1,0), (1,1), (2,-2) ..."""
    if degree < 1:
        raise InputError(f"spherical harmonics need a degree of at least 1, not {degree}")
    x, y, z = directions[..., 0], directions[..., 1], directions[..., 2]
    values: list = [None] * degree**2
    real, imaginary = jnp.ones_like(x), jnp.zeros_like(x)  # of (x + i y)^m
    for m in range(degree):
        for band, polynomial in enumerate(_legendre(z, m, degree), m):
            size = math.sqrt((2 * band + 1) / (4 * math.pi) * math.factorial(band - m) / math.factorial(band + m))
            polynomial = (size if m == 0 else math.sqrt(2) * size) * polynomial
            centre = band * (band + 1)  # of (band, 0)
            values[centre - m] = polynomial * imaginary
            values[centre + m] = polynomial * real  # last, as for m = 0 both are one
        real, imaginary = x * real - y * imaginary, x * imaginary + y * real
    return jnp.stack(values, -1)


def _legendre(z: Float[Array, "*p"], m: int, degree: int) -> list[Array]:
    """P_lm(z) / (1 - z^2)^(m/2) for l = m ... degree - 1, from the recurrence in l."""
    values = [jnp.full_like(z, (-1) ** m * math.prod(range(1, 2 * m, 2)))]
    for band in range(m + 1, degree):
        value = (2 * band - 1) * z * values[-1]
        if band > m + 1:
            value = value - (band + m - 1) * values[-2]
        values.append(value / (band - m))
    return values
