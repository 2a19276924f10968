"""Can one read from the lips what is said? The lip-reading loss of SadTalker (Zhang et al., CVPR 2023, sec. 3.2).

The paper shows pictures of the lips to a lip reader and takes the cross-entropy of the text. What reads is the
trainer's choice, a `Reader`; both losses here turn what a reader answers into one value per example.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

# reader(landmarks [b, t, 68, 2], batch) -> loss [b]. `batch` has what is said: its sound, and its phonemes if known.
Reader = Callable[[Float[Array, "b t 68 2"], dict[str, Array]], Float[Array, "b"]]


def spelled(logits: Float[Array, "b t p"], phoneme: Int[Array, "b t"]) -> Float[Array, "b"]:
    """Cross-entropy of the phonemes that a classifier reads, mean over frames whose phoneme is known (0 or more).

    0 where none is known.
    """
    known = (phoneme >= 0).astype(jnp.float32)
    likely = jax.nn.log_softmax(logits.astype(jnp.float32), axis=-1)
    right = jnp.take_along_axis(likely, jnp.maximum(phoneme, 0)[..., None], axis=-1)[..., 0]
    return -(right * known).sum(-1) / jnp.maximum(known.sum(-1), 1.0)


def agreed(face: Float[Array, "b t d"], sound: Float[Array, "b t d"]) -> Float[Array, "b"]:
    """1 - mean cosine of unit embeddings of lips and of sound at the same moment, by a network that judges sync.

    From 0 (all lips say what is heard) to 2. Needs no text, and so reads any language.
    """
    return 1.0 - (face * sound).sum(-1).mean(-1)
