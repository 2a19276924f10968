"""The two terms of a variational autoencoder (Kingma and Welling, 2014), with a normal(0, 1) prior or a learnt one."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def kl(mean: Float[Array, "*b l"], log_variance: Float[Array, "*b l"]) -> Float[Array, "*b"]:
    """Divergence of normal(mean, exp(log_variance)) from normal(0, 1), summed over the latent: 0 at the prior."""
    return 0.5 * jnp.sum(jnp.exp(log_variance) + mean**2 - 1.0 - log_variance, axis=-1)


def kl_by_sample(
    z: Float[Array, "*b l"],
    mean: Float[Array, "*b l"],
    log_deviation: Float[Array, "*b l"],
    normal: Float[Array, "*b l"],
) -> Float[Array, "*b"]:
    """Divergence of normal(mean, deviation) from a prior that a flow defines, by one draw, summed over the latent.

    log q(z) - log p(z) at the one z that was drawn; `normal` is z through the flow, which keeps the volume (as
    `models.motion_flow` does), so log p(z) is its density. A single estimate may be negative; its mean is not. GeneFace
    averages over the latents in the mask and divides by l.
    """
    from_mean = jnp.square((z - mean) * jnp.exp(-log_deviation))
    return 0.5 * jnp.sum(jnp.square(normal) - from_mean - 2 * log_deviation, axis=-1)


def squared_error(predicted: Float[Array, "b *d"], target: Float[Array, "b *d"]) -> Float[Array, "b"]:
    """Mean squared error of each example."""
    return jnp.mean(jnp.square(predicted - target), axis=tuple(range(1, predicted.ndim)))
