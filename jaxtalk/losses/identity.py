"""Learning to tell people apart: pictures of one person are drawn together, those of others pushed away."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def supervised_contrastive(
    embedding: Float[Array, "b d"], person: Int[Array, "b"], temperature: float = 0.1
) -> tuple[Float[Array, "b"], Bool[Array, "b"]]:
    """Per picture: mean over the others of its person of -log softmax of their cosines, and whether one of them wins.

    The softmax is over all other pictures of the batch, with cosines over `temperature` (Khosla et al., NeurIPS 2020,
    eq. 2). A picture whose person has no other one in the batch has loss 0. Embeddings need not have unit length.
    """
    unit = embedding / jnp.sqrt(jnp.sum(embedding**2, axis=-1, keepdims=True) + 1e-12)
    itself = jnp.eye(len(person), dtype=bool)
    cosine = jnp.where(itself, -jnp.inf, unit @ unit.T / temperature)
    friends = (person[:, None] == person[None]) & ~itself
    distance = jax.nn.logsumexp(cosine, axis=-1)[:, None] - jnp.where(friends, cosine, 0.0)
    loss = jnp.sum(jnp.where(friends, distance, 0.0), axis=-1) / jnp.maximum(friends.sum(-1), 1)
    wins = jnp.take_along_axis(friends, jnp.argmax(cosine, axis=-1)[:, None], axis=-1)[:, 0]
    return loss, wins
