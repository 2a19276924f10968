"""Is the sound in time with the lips? Scores from any network that embeds windows of both in one space.

Row i of `face` and of `sound` [t, d] are the embeddings of a window that begins at video frame i. LSE-D and LSE-C are
those of syncnet_python (Chung and Zisserman, "Out of time", 2016) and of Wav2Lip's evaluation (Prajwal et al., 2020,
sec. 4), whose figures are means over clips. They take `jaxtalk.models.syncnet` at 25 frames a second and its face crops
(`jaxtalk.face.mouth_crops`), both embeddings as they are, not normalised. Traps:

- Figures of two networks, or of two kinds of crop, must not be compared.
- A clip of n frames has n - 4 windows of 5, but the published scripts embed n - 5 (`audio.speech_mfcc.count`), since
  the sound's last window lacks a column.
- Sound before the first window and after the last is taken as zeros. Each shift by a frame puts one more zero vector
  into the mean, so the figures of a clip shorter than a few times `reach` say little; with unit embeddings zeros
  (distance 1) are nearer than sound that has nothing to do with the face (1.41).
- A still face on silence has a small distance and hardly any confidence: look at both.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

REACH = 15  # frames to each side


class LipSync(NamedTuple):
    """One value for each clip, and one for each of its windows."""

    distance: Float[Array, "*b"]  # LSE-D: the mean distance at the best shift; from 0, lower is better
    confidence: Float[Array, "*b"]  # LSE-C: the median of the mean distances less their least; from 0, higher is better
    offset: Float[Array, "*b"]  # frames that the sound is early by (late: negative); 0 is best
    frame_confidence: Float[Array, "*b t"]  # the same median less the window's own distance; higher is better


def lip_sync(face: Float[Array, "*b t d"], sound: Float[Array, "*b t d"], reach: int = REACH) -> LipSync:
    """Distance, confidence and offset of clips.

    With m[s] the mean over windows of the distance between face i and sound i + s, |s| <= reach:
    distance = min m, confidence = median m - min m, offset = -argmin m (the first of equals). The published code
    shows `frame_confidence` after a median filter over 9 windows; here it is not filtered.
    """
    distances = shifted_distances(face, sound, reach)
    mean = distances.mean(-2)
    best, least, median = mean.argmin(-1), mean.min(-1), jnp.median(mean, axis=-1)
    at_best = jnp.take_along_axis(distances, best[..., None, None], axis=-1)[..., 0]
    return LipSync(least, median - least, (reach - best).astype(jnp.float32), median[..., None] - at_best)


def shifted_distances(
    face: Float[Array, "*b t d"], sound: Float[Array, "*b t d"], reach: int = REACH
) -> Float[Array, "*b t {2*reach+1}"]:
    """Euclidean distance of face i to sound i + s for s = -reach ... reach, in this order; sound beyond the ends is 0.

    PyTorch's `pairwise_distance`, and so the published figures, adds 1e-6 to each difference.
    """
    frames = face.shape[-2]
    padded = jnp.pad(sound, ((0, 0),) * (sound.ndim - 2) + ((reach, reach), (0, 0)))

    def distance(shift):
        difference = face - jax.lax.dynamic_slice_in_dim(padded, shift, frames, axis=-2) + 1e-6
        return jnp.sqrt(jnp.sum(difference**2, axis=-1))

    return jnp.moveaxis(jax.lax.map(distance, jnp.arange(2 * reach + 1)), 0, -1)


def agreement(face: Float[Array, "*b d"], sound: Float[Array, "*b d"]) -> Float[Array, "*b"]:
    """Cosine similarity of the two embeddings of a window; 0 where one is zero.

    Between -1 and 1, higher is better. Where no embedding has a negative entry, as in Wav2Lip's sync expert
    (`jaxtalk.models.wav2lip_syncnet`), it is from 0 to 1 and the probability that the two belong together.
    """
    length = jnp.sqrt(jnp.maximum(jnp.sum(face**2, -1), 1e-16)) * jnp.sqrt(jnp.maximum(jnp.sum(sound**2, -1), 1e-16))
    return jnp.sum(face * sound, axis=-1) / length


def sync_score(face: Float[Array, "*b t d"], sound: Float[Array, "*b t d"]) -> Float[Array, "*b"]:
    """The sync score of a clip: the mean over its windows of the expert's probability that sound and lips agree.

    From 0 to 1 with Wav2Lip's sync expert over windows of 5 frames; higher is better. The dubbing paper (Chen and
    Xiong, Acta Electronica Sinica 2025) reports a sync score, but its text was not at hand: this definition is ours,
    by what Wav2Lip's expert is trained to say, and its figures must not be held against those of the paper.
    """
    return agreement(face, sound).mean(-1)
