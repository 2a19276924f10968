"""Adversarial losses: least squares, hinge, cross-entropy, and matched features."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def discriminator(real: Float[Array, "b *s"], generated: Float[Array, "b *s"]) -> Float[Array, "b"]:
    """Least squares (Mao et al., 2017): scores of real examples should be 1, of generated ones 0."""
    axes = tuple(range(1, real.ndim))
    return 0.5 * (jnp.mean((real - 1.0) ** 2, axes) + jnp.mean(generated**2, axes))


def generator(generated: Float[Array, "b *s"]) -> Float[Array, "b"]:
    """What the generator minimises against `discriminator`: its scores should be those of real examples."""
    return 0.5 * jnp.mean((generated - 1.0) ** 2, tuple(range(1, generated.ndim)))


def hinge_discriminator(real: Float[Array, "b *s"], generated: Float[Array, "b *s"]) -> Float[Array, "b"]:
    """Hinge loss (Lim and Ye, 2017): scores of real examples should be above 1, of generated ones below -1."""
    axes = tuple(range(1, real.ndim))
    return jnp.mean(jnp.maximum(0.0, 1.0 - real), axes) + jnp.mean(jnp.maximum(0.0, 1.0 + generated), axes)


def hinge_generator(generated: Float[Array, "b *s"]) -> Float[Array, "b"]:
    """What the generator minimises against `hinge_discriminator`: minus its mean score, without a bound."""
    return -jnp.mean(generated, tuple(range(1, generated.ndim)))


def cross_entropy_discriminator(real: Float[Array, "b *s"], generated: Float[Array, "b *s"]) -> Float[Array, "b"]:
    """-log p of real examples and -log(1 - p) of generated ones, p = sigmoid(logit) (Goodfellow et al., 2014)."""
    axes = tuple(range(1, real.ndim))
    return jnp.mean(jax.nn.softplus(-real), axes) + jnp.mean(jax.nn.softplus(generated), axes)


def cross_entropy_generator(generated: Float[Array, "b *s"]) -> Float[Array, "b"]:
    """-log p of generated examples: what Wav2Lip minimises against its judge of quality."""
    return jnp.mean(jax.nn.softplus(-generated), tuple(range(1, generated.ndim)))


def feature_matching(
    real: Sequence[Float[Array, "b *_"]], generated: Sequence[Float[Array, "b *_"]], weight: float = 10.0
) -> Float[Array, "b"]:
    """Sum over the discriminator's maps of weight * mean |difference| (Wang et al., pix2pixHD, CVPR 2018, eq. 4).

    Those of the real example are constants.
    """
    total = jnp.zeros(len(real[0]))
    for a, b in zip(real, generated, strict=True):
        total = total + weight * jnp.abs(jax.lax.stop_gradient(a) - b).mean(tuple(range(1, a.ndim)))
    return total
