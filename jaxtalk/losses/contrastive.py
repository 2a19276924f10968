"""The two losses of wav2vec 2.0 (Baevski et al., 2020, sec. 3.2)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def contrastive(
    context: Float[Array, "b t d"],
    codes: Float[Array, "b t d"],
    chosen: Int[Array, "b t g"],
    candidates: Int[Array, "b t k"],
    temperature: float = 0.1,
) -> tuple[Float[Array, "b t"], Bool[Array, "b t"]]:
    """Per frame: -log softmax over cosines with its own code and those of `candidates` (eq. 3), and whether it wins.

    Candidates that chose the same entries as the frame are no distractors and do not count.
    """
    cosine = jnp.einsum("btd,bsd->bts", _unit(context), _unit(codes)) / temperature
    own = jnp.diagonal(cosine, axis1=1, axis2=2)
    others = jnp.take_along_axis(cosine, candidates, axis=-1)
    entries = jax.vmap(lambda row, at: row[at])(chosen, candidates)  # [b, t, k, g]
    others = jnp.where((entries == chosen[:, :, None]).all(-1), -jnp.inf, others)
    logits = jnp.concatenate([own[..., None], others], axis=-1)
    return jax.nn.logsumexp(logits, axis=-1) - own, own > others.max(-1, initial=-jnp.inf)


def diversity(probabilities: Float[Array, "b t g v"], masked: Bool[Array, "b t"]) -> Float[Array, ""]:
    """The share of entries that the masked frames of a batch leave unused: 0 where all are used alike, below 1.

    1 - sum_g exp(H(p_g)) / (g v) with p_g the mean choice from codebook g: what the published code minimises where
    eq. 4 of the paper has -H, which has the same best point.
    """
    weight = masked / jnp.maximum(masked.sum(), 1)
    mean = jnp.sum(probabilities * weight[..., None, None], axis=(0, 1))
    entropy = -jnp.sum(mean * jnp.log(mean + 1e-9), axis=-1)
    return 1.0 - jnp.sum(jnp.exp(entropy)) / mean.size


def _unit(x):
    return x / jnp.sqrt(jnp.sum(x**2, axis=-1, keepdims=True) + 1e-12)
