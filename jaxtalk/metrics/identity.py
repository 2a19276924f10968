"""CSIM: is it still the same person? The cosine of two embeddings of a face network.

As reported for talking heads since Zakharov et al. (ICCV 2019), by ArcFace: -1 to 1, higher is better. Values of
different networks or crops cannot be compared: name the network (`jaxtalk.io.weights.label`) beside every number.
Traps: the crop must be aligned as the network was trained (`jaxtalk.face.align`), RGB from -1 to 1; two frames of one
real video are below 1 (measure that too, as the ceiling); a frozen copy of the reference scores 1.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def csim(embedding: Float[Array, "*b d"], reference: Float[Array, "*b d"]) -> Float[Array, "*b"]:
    """Cosine of each embedding with its own reference, frame by frame; 0 where one of them is all zeros."""
    dot = jnp.sum(embedding * reference, axis=-1)
    return dot / jnp.sqrt(jnp.maximum(jnp.sum(embedding**2, axis=-1) * jnp.sum(reference**2, axis=-1), 1e-20))


def csim_to_one(embedding: Float[Array, "*b t d"], reference: Float[Array, "*b d"]) -> Float[Array, "*b t"]:
    """Cosine of all frames of a clip with one reference, such as the portrait that was animated."""
    return csim(embedding, jnp.broadcast_to(reference[..., None, :], embedding.shape))
