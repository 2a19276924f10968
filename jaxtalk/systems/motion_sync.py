"""The sync expert of GeneFace in training: windows of sound and mouth, pairs that belong together or not, its verdict.

A window is 5 frames of the 20 points of the mouth and the 10 rows of sound from there on (`models.motion_sync_net`).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from jaxtalk.losses import sync
from jaxtalk.metrics.lip_sync import agreement
from jaxtalk.models.motion_sync_net import FRAMES, ROWS

MOUTH = slice(3 * 48, 3 * 68)  # of the 204 numbers of a frame
OTHERS = 0.25  # share of wrong pairs whose sound is another clip's; half of the rest is from elsewhere in the same clip
NEAR = (2, 5)  # the other half so many frames apart


def mouth_windows(motion: Float[Array, "b t 204"], starts: Int[Array, "b w"]) -> Float[Array, "b w 5 60"]:
    """The mouth from these frames on."""
    at = starts[..., None] + jnp.arange(FRAMES)[None, None]
    return jax.vmap(lambda clip, place: clip[place])(motion[..., MOUTH], at)


def sound_windows(sound: Float[Array, "b r f"], starts: Int[Array, "b w"]) -> Float[Array, "b w 10 f"]:
    """The sound from these frames on."""
    at = (ROWS // FRAMES) * starts[..., None] + jnp.arange(ROWS)[None, None]
    return jax.vmap(lambda clip, place: clip[place])(sound, at)


def pairs(
    rng: Key[Array, ""],
    sound: Float[Array, "b r f"],
    motion: Float[Array, "b t 204"],
    mask: Float[Array, "b t"],
    count: int,
) -> tuple[Float[Array, "b w 10 f"], Float[Array, "b w 5 60"], Float[Array, "b w"]]:
    """`count` windows of each clip with sound and whether it belongs to them (1, half of them) or not (0).

    As published: sound that does not belong is another clip's, from elsewhere in the clip, or from nearby.
    """
    shape = (len(motion), count)
    keys = jax.random.split(rng, 7)
    last = jnp.maximum(mask.sum(-1).astype(jnp.int32) - FRAMES, 0)[:, None]  # the last start of a whole window

    def anywhere(key, last):
        return jnp.floor(jax.random.uniform(key, shape) * (last + 1)).astype(jnp.int32)

    start, elsewhere = anywhere(keys[0], last), anywhere(keys[1], last)
    step = jax.random.randint(keys[2], shape, NEAR[0], NEAR[1] + 1)
    step = jnp.where(jax.random.bernoulli(keys[3], 0.5, shape), step, -step)
    near = jnp.where((start + step < 0) | (start + step > last), start - step, start + step).clip(0, last)
    kind = jax.random.uniform(keys[4], shape)
    own = (kind < OTHERS + (1 - OTHERS) / 2) & (jnp.abs(elsewhere - start) >= NEAR[0])
    wrong = sound_windows(sound, jnp.where(own, elsewhere, near))
    other_sound, other_last = jnp.roll(sound, 1, axis=0), jnp.roll(last, 1, axis=0)
    others = sound_windows(other_sound, anywhere(keys[5], other_last))
    wrong = jnp.where((kind < OTHERS)[..., None, None], others, wrong)
    together = jax.random.bernoulli(keys[6], 0.5, shape)
    heard = jnp.where(together[..., None, None], sound_windows(sound, start), wrong)
    return heard, mouth_windows(motion, start), together.astype(jnp.float32)


def verdict(
    network: nn.Module,
    variables: dict,
    sound: Float[Array, "b r f"],
    motion: Float[Array, "b t 204"],
    mask: Float[Array, "b t"],
    first: Int[Array, "b"],
) -> tuple[Float[Array, "b w"], Float[Array, "b w"]]:
    """What training pays for motion that is not in sync, of windows side by side from frame `first` on; their mask.

    `network`: a `models.motion_sync_net.MotionSyncNet`.
    """
    starts = first[:, None] + FRAMES * jnp.arange((motion.shape[1] - FRAMES) // FRAMES)[None]
    heard, seen = network.apply(variables, sound_windows(sound, starts), mouth_windows(motion, starts))
    whole = jax.vmap(lambda clip, place: clip[place])(mask, starts + FRAMES - 1)
    cosine = agreement(heard, seen)
    return sync.cross_entropy(cosine, jnp.ones_like(cosine)), whole
