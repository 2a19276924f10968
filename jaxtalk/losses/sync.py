"""The loss that teaches lip sync by pairs (Wav2Lip; Prajwal et al., 2020, sec. 3): one value per example."""

import jax.numpy as jnp
from jaxtyping import Array, Float

_MARGIN = 1e-7  # probability


def cross_entropy(agreement: Float[Array, "*b"], together: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Binary cross-entropy -y log p - (1 - y) log(1 - p) of cosines p that stand for probabilities; 0 is best.

    `agreement` is `jaxtalk.metrics.lip_sync.agreement` of embeddings without negative entries, `together` (y) is 1
    where sound and lips belong together and 0 where not: pairs in training the expert, all ones to train what makes
    the lips. At the ends value and slope stay finite: p is moved inwards by 1e-7, so no loss exceeds 16.2 (PyTorch's
    goes to 100). A cosine outside [0, 1], which rounding can give, counts as the end and has no slope, so a network
    whose cosines are often negative does not learn from them.
    """
    inside = jnp.clip(agreement, 0.0, 1.0)
    right = jnp.log(_MARGIN + (1 - 2 * _MARGIN) * inside)
    wrong = jnp.log(_MARGIN + (1 - 2 * _MARGIN) * (1 - inside))
    return -together * right - (1 - together) * wrong
