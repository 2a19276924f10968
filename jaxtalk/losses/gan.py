"""Least-squares adversarial losses (Mao et al., 2017): real is 1, generated is 0."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def discriminator(real: Float[Array, "b *s"], generated: Float[Array, "b *s"]) -> Float[Array, "b"]:
    """What the discriminator minimises, from its scores of a real and a generated example."""
    axes = tuple(range(1, real.ndim))
    return 0.5 * (jnp.mean((real - 1.0) ** 2, axes) + jnp.mean(generated**2, axes))


def generator(generated: Float[Array, "b *s"]) -> Float[Array, "b"]:
    """What the generator minimises: its scores should be those of real examples."""
    return 0.5 * jnp.mean((generated - 1.0) ** 2, tuple(range(1, generated.ndim)))
