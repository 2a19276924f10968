"""What is hidden from a speech encoder in pretraining (wav2vec 2.0, sec. 3.1; HuBERT, sec. II B): spans of frames."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key


def spans(
    rng: Key[Array, ""], own: Bool[Array, "b t"], probability: float = 0.065, length: int = 10
) -> Bool[Array, "b t"]:
    """Which frames to hide: a share `probability` of an utterance's `own` frames, at least one, begins a span each.

    Beginnings are drawn without replacement; spans overlap and end with the utterance. With the defaults about half
    of a long utterance is hidden.
    """
    rank = _rank(jnp.where(own, jax.random.uniform(rng, own.shape), 2.0))
    starts = rank < jnp.maximum(1, jnp.round(probability * own.sum(-1)))[:, None]
    begun = jnp.cumsum(starts, axis=-1)
    over = jnp.pad(begun, ((0, 0), (length, 0)))[:, : own.shape[1]]
    return (begun > over) & own


def distractors(rng: Key[Array, ""], masked: Bool[Array, "b t"], count: int) -> Int[Array, "b t k"]:
    """For each masked frame, `count` other masked frames of its utterance, drawn evenly with replacement.

    What stands at the other frames means nothing, nor does a frame's own if it is the only one.
    """
    among = jnp.argsort(~masked, axis=-1)  # stable: masked frames first, in order
    place = jnp.cumsum(masked, axis=-1) - 1  # of each masked frame among them
    others = masked.sum(-1)[:, None, None] - 1
    drawn = jnp.floor(jax.random.uniform(rng, (*masked.shape, count)) * others).astype(jnp.int32)
    drawn = jnp.clip(drawn + (drawn >= place[..., None]), 0, masked.shape[1] - 1)  # a frame is none of its others
    return jnp.take_along_axis(among[:, None], drawn, axis=-1)


def _rank(values):
    return jnp.argsort(jnp.argsort(values, axis=-1), axis=-1)
