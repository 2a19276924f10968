"""PoseVAE's latents as encoded motion has them, turned into the standard normal ones that `generate` draws.

The divergence keeps latents of encoded motion only roughly near normal(0, 1): a few directions may be four times as
wide, and what is drawn then moves a quarter as far. After training their mean and covariance are measured and put into
the weights: the decoder takes z @ L.T + m for z, the encoder gives the inverse. (A Gaussian fitted after training, as
Ghosh et al., "From variational to deterministic autoencoders", ICLR 2020, sec. 4, fit richer ones.)
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxtalk.models.audio2pose import POSE


class Latents(NamedTuple):
    """Of many pieces of motion, each normal(mean, noise)."""

    mean: Float[Array, "l"]
    covariance: Float[Array, "l l"]  # noise included
    noise: Float[Array, "l"]  # variance within a piece

    @classmethod
    def of(cls, mean: Float[Array, "n l"], log_variance: Float[Array, "n l"]) -> "Latents":
        """From what `PoseVAE.encode` gave for n pieces."""
        centre, noise = mean.mean(0), jnp.exp(log_variance).mean(0)
        away = mean - centre[None]
        return cls(centre, away.T @ away / len(mean) + jnp.diag(noise), noise)


def standardised(variables: dict, latents: Latents) -> dict:
    """Variables of a PoseVAE whose latents have mean 0 and covariance 1 where those of `variables` have `latents`.

    Means are encoded and decoded to the same motion as before. The noise of encoded motion, which only training uses,
    becomes the same for all motion.
    """
    centre, root = latents.mean, jnp.linalg.cholesky(latents.covariance)
    params = variables["params"]
    encoder, decoder = params["encoder"], params["decoder"]
    hidden, rows = decoder["hidden"], slice(POSE, POSE + len(centre))  # (reference, latent + style, sound)
    kernel = hidden["kernel"].at[rows].set(root.T @ hidden["kernel"][rows])
    style = _undone(root, decoder["style"] + centre[None])
    decoder = {**decoder, "style": style, "hidden": {**hidden, "kernel": kernel}}
    mean = encoder["mean"]
    noise = (_undone(root, jnp.diag(jnp.sqrt(latents.noise))) ** 2).sum(0)
    encoder = {
        **encoder,
        "mean": {"kernel": _undone(root, mean["kernel"]), "bias": _undone(root, (mean["bias"] - centre)[None])[0]},
        "log_variance": {"kernel": jnp.zeros_like(mean["kernel"]), "bias": jnp.log(noise)},
    }
    return {**variables, "params": {**params, "encoder": encoder, "decoder": decoder}}


def _undone(root: Float[Array, "l l"], rows: Float[Array, "n l"]) -> Float[Array, "n l"]:
    """rows @ inverse(root).T"""
    return jnp.linalg.solve(root, rows.T).T
