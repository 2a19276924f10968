"""The two terms of a variational autoencoder with a normal(0, 1) prior (Kingma and Welling, 2014)."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def kl(mean: Float[Array, "*b l"], log_variance: Float[Array, "*b l"]) -> Float[Array, "*b"]:
    """Divergence of normal(mean, exp(log_variance)) from normal(0, 1), summed over the latent: 0 at the prior."""
    return 0.5 * jnp.sum(jnp.exp(log_variance) + mean**2 - 1.0 - log_variance, axis=-1)


def squared_error(predicted: Float[Array, "b *d"], target: Float[Array, "b *d"]) -> Float[Array, "b"]:
    """Mean squared error of each example."""
    return jnp.mean(jnp.square(predicted - target), axis=tuple(range(1, predicted.ndim)))
