"""Does the head move, and does it move with the speech? Diversity and beat alignment.

SadTalker (Zhang et al., CVPR 2023) prints the standard deviation of "head motion feature embeddings" of
Hopenet (Ruiz et al., 2018) and the Beat Align Score of Bailando (Siyao et al., CVPR 2022). Neither its code nor which
layer of Hopenet, which axis, which audio beats and which sigma were taken is released, so its figures cannot be
reproduced; ours are defined here and must not be held against them.

Beats are times in seconds in arrays of fixed length, infinite where there is none.
"""

import functools
import math
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

SIGMA = 3 / 60  # seconds: 3 frames of AIST++'s 60 a second
_SMOOTHING = 5 / 60  # seconds: standard deviation of the Gaussian over speed, as in Bailando's code


@jax.jit
def diversity(pose: Float[Array, "*b t d"], known: Bool[Array, "*b t"] | None = None) -> Float[Array, "*b"]:
    """Standard deviation over time of each component of the pose, mean over the components, for each clip.

    From 0 (still), in the unit of `pose`; higher is livelier, not better: the true clip's figure is the aim. Take
    angles and translation apart, for their units differ. A head that drifts off once counts as one that nods. Frames
    that are not `known` do not count; 0 of no frame. Ours in place of SadTalker's, with angles for embeddings.
    """
    known = jnp.ones(pose.shape[:-1], bool) if known is None else known
    spread = jnp.std(pose, axis=-2, where=known[..., None]).mean(-1)
    return jnp.where(known.any(-1), spread, 0.0)


@functools.partial(jax.jit, static_argnames="fps")
def motion_beats(
    pose: Float[Array, "*b t d"], fps: float | int, known: Bool[Array, "*b t"] | None = None
) -> Float[Array, "*b s"]:
    """Times at which the head comes to rest: where its smoothed speed is below that of the step before and after.

    s = t - 1 steps from frame to frame, each at the time between its frames, infinite where there is no beat. Speed
    is the length of the pose's change, smoothed over known steps only by a Gaussian of 83 ms (5 frames of 60 a
    second in Bailando's code, which counts in frames and puts a step at its first frame). A still head has none.
    """
    known = jnp.ones(pose.shape[:-1], bool) if known is None else known
    moves = known[..., 1:] & known[..., :-1]
    speed = jnp.linalg.norm(pose[..., 1:, :] - pose[..., :-1, :], axis=-1) * fps
    share = _smooth(moves.astype(jnp.float32), _SMOOTHING * fps)
    smooth = _smooth(jnp.where(moves, speed, 0.0), _SMOOTHING * fps) / jnp.maximum(share, 1e-6)
    lowest = jnp.where(moves, smooth, -jnp.inf)  # what is not known is no neighbour that a beat may lie under
    padded = jnp.pad(lowest, [(0, 0)] * (lowest.ndim - 1) + [(1, 1)], constant_values=-jnp.inf)
    rests = moves & (smooth < padded[..., :-2]) & (smooth < padded[..., 2:])
    times = jnp.broadcast_to((jnp.arange(speed.shape[-1]) + 0.5) / fps, rests.shape)
    return jnp.where(rests, times, jnp.inf)


@functools.partial(jax.jit, static_argnames=("sigma", "over"))
def beat_alignment(
    audio: Float[Array, "*b n"],
    motion: Float[Array, "*b m"],
    sigma: float = SIGMA,
    over: Literal["audio", "motion"] = "audio",
) -> Float[Array, "*b"]:
    """Mean over the beats of one kind of exp(-d^2 / (2 sigma^2)), d = seconds to the nearest beat of the other kind.

    From 0 to 1, higher is better; 0 where either has no beats. Over audio beats as in Bailando: motion with many
    beats scores high (trembling does). Over motion beats as in AIST++ (Li et al., ICCV 2021): motion with few does.
    Give both. Both papers take sigma = 3 frames at 60 a second, 50 ms; "3 frames" at 25 a second, as SadTalker may
    have taken, is 120 ms and scores far higher (0.49). What an audio beat is (an onset, a beat of a tracker made for
    music) matters as much. Chance is high: 27 filmed people score 0.22 over the onsets of `jaxtalk.audio.onsets` (0.60
    over motion), and 0.23 (0.62) with their sound shifted in time. Give the figure of shifted sound beside it.
    """
    beats = (audio, motion) if over == "audio" else (motion, audio)
    return jnp.vectorize(functools.partial(_nearness, sigma=sigma), signature="(n),(m)->()")(*beats)


def _nearness(own, other, *, sigma):
    """Of one clip; other beats are sorted and looked up, so that an hour of sound needs no table of all pairs."""
    counts = jnp.isfinite(own)
    at = jnp.where(counts, own, 0.0)
    line = jnp.concatenate([jnp.array([-jnp.inf]), jnp.sort(other), jnp.array([jnp.inf])])
    after = jnp.searchsorted(line, at)
    gap = jnp.minimum(at - line[after - 1], line[after] - at)
    score = jnp.where(counts, jnp.exp(-((gap / sigma) ** 2) / 2), 0.0)
    return score.sum() / jnp.maximum(counts.sum(), 1)


def _smooth(track: Float[Array, "*b s"], sigma: float) -> Float[Array, "*b s"]:
    """Gaussian weights out to four sigma that sum to 1, zeros beyond the ends."""
    reach = math.ceil(4 * sigma)
    weights = [math.exp(-((k / sigma) ** 2) / 2) for k in range(-reach, reach + 1)]
    padded = jnp.pad(track, [(0, 0)] * (track.ndim - 1) + [(reach, reach)])
    shifted = (w * padded[..., k : k + track.shape[-1]] for k, w in enumerate(weights))
    return sum(shifted) / sum(weights)
