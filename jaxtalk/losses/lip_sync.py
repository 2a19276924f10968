"""Which of all shifts is the right one? The contrastive loss of LipSyncNet."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def shifted_similarity(
    lips: Float[Array, "b t d"], sound: Float[Array, "b t d"], reach: int
) -> Float[Array, "b n {2*reach+1}"]:
    """Cosine of lips at frame i and sound at i + s, |s| <= reach, for the n = t - 2 reach frames that have all."""
    inside = lips[:, reach : lips.shape[1] - reach]
    n = inside.shape[1]
    return jnp.stack([jnp.sum(inside * sound[:, s : s + n], -1) for s in range(2 * reach + 1)], -1)


def other_similarity(lips: Float[Array, "b t d"], sound: Float[Array, "b t d"], others: int) -> Float[Array, "b t o"]:
    """Cosine of each frame's lips and the sound of the same frame in the next `others` clips of the batch."""
    return jnp.stack([jnp.sum(lips * jnp.roll(sound, k, axis=0), -1) for k in range(1, others + 1)], -1)


def window_means(x: Float[Array, "b n s"], frames: int) -> Float[Array, "b m s"]:
    """Means over all windows of so many frames, m = n - frames + 1."""
    total = jnp.cumsum(jnp.pad(x, ((0, 0), (1, 0), (0, 0))), axis=1)
    return (total[:, frames:] - total[:, :-frames]) / frames


def surprise(
    similarity: Float[Array, "b m s"], scale: Float[Array, ""], near: int, others: Float[Array, "b m o"]
) -> Float[Array, "b m"]:
    """-log softmax of shift 0 (InfoNCE, van den Oord et al. 2018) among shifts and other clips, times `scale`.

    Shifts up to `near` frames are neither right nor wrong and do not count.
    """
    reach = similarity.shape[-1] // 2
    shift = jnp.abs(jnp.arange(-reach, reach + 1))
    counts = (shift == 0) | (shift > near)
    logits = jnp.where(jnp.broadcast_to(counts[None, None], similarity.shape), scale * similarity, -jnp.inf)
    everything = jnp.concatenate([logits, scale * others], -1)
    return jax.nn.logsumexp(everything, -1) - scale * similarity[..., reach]


def disorder(similarity: Float[Array, "b n s"], near: int, far: int, margin: float) -> Float[Array, "b"]:
    """By how much clips shifted by about `far` frames are not less similar by `margin` than by about `near`: 0 or more.

    "About" is a frame to either side. Syllables come and go: without this, half a syllable apart may look worse than a
    whole one.
    """
    mean = similarity.mean(1)
    shift = np.abs(np.arange(mean.shape[-1]) - mean.shape[-1] // 2)
    closer, farther = (mean[:, np.abs(shift - about) <= 1] for about in (near, far))
    return jax.nn.relu(margin - closer.mean(-1) + farther.mean(-1))
