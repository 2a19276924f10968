"""How often and for how long do the eyes blink?

From any measure of how open the eyes are: the eye aspect ratio of Soukupova and Cech ("Real-time eye blink detection
using facial landmarks", CVWW 2016; `jaxtalk.face.landmarks.eye_aspect_ratio`), or 1 - closure of a face model. There
is no better or worse but the filmed person's own figures; people who talk blink about 15 to 30 times a minute, for 0.1
to 0.4 s. Traps: the ratio of open eyes differs between people and cameras (0.16 to 0.38 in 27 real clips), so what is
a threshold for one finds no blinks in another, or nothing else; below 25 frames/s blinks fall between frames; the ratio
also falls where one looks down; the duration is that below the thresholds, not from the first movement of the lid.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxtalk.metrics.mean import Mean


class Blinks(NamedTuple):
    """What was seen in each clip; `rate` and `duration` are means over all clips, which merge."""

    count: Float[Array, "*b"]  # blinks that begin in the clip
    minutes: Float[Array, "*b"]  # of known frames
    whole: Float[Array, "*b"]  # blinks that also end in it
    seconds: Float[Array, "*b"]  # all the whole ones together

    def rate(self) -> Mean:
        """Blinks a minute: of all clips as if they were one."""
        return Mean(self.count.sum(), self.minutes.sum())

    def duration(self) -> Mean:
        """Seconds a blink, of whole blinks; 0 of none."""
        return Mean(self.seconds.sum(), self.whole.sum())


@functools.partial(jax.jit, static_argnames=("fps", "shortest"))
def blinks(
    opening: Float[Array, "*b t"],
    fps: float | int,
    known: Bool[Array, "*b t"] | None = None,
    *,
    close: float | Float[Array, ""] = 0.2,
    reopen: float | Float[Array, ""] = 0.25,
    shortest: float = 0.06,
) -> Blinks:
    """Counts blinks: eyes close below `close` and are shut until they open above `reopen` (hysteresis).

    Shut for less than `shortest` seconds is no blink: at 25 frames/s a single frame is noise, at 60 three are. A
    blink belongs to where it begins: eyes that are shut in the first frame, or in the first after frames that are not
    `known`, are not counted; eyes still shut in the last are, but say nothing of duration. So the counts of the
    pieces of a clip add up to its own, but for a blink cut within `shortest`. Give each clip's own `close` and
    `reopen`, or the ratio over its own median, where people differ.
    """
    known = jnp.ones(opening.shape, bool) if known is None else known
    frame = jnp.broadcast_to(jnp.arange(opening.shape[-1]), opening.shape)
    below = known & (opening < close)
    shut = _at(below, _latest(below | (opening > reopen) | ~known, frame))
    shut_before, shut_after = _neighbours(shut)
    open_before, open_after = _neighbours(known & ~shut)
    start = _latest(shut & ~shut_before, frame)  # of the stretch that a shut frame is in
    seconds = (frame - start + 1) / fps
    counted = shut & ~shut_after & _at(open_before, start) & (seconds >= shortest)
    whole = counted & open_after
    number = counted.sum(-1).astype(jnp.float32), known.sum(-1) / fps / 60, whole.sum(-1).astype(jnp.float32)
    return Blinks(*number, jnp.where(whole, seconds, 0.0).sum(-1))


def _latest(event: Bool[Array, "*b t"], frame: Int[Array, "*b t"]) -> Int[Array, "*b t"]:
    """The last frame so far of an event; the first frame before there is one."""
    return jax.lax.cummax(jnp.where(event, frame, 0), axis=event.ndim - 1)


def _at(state: Bool[Array, "*b t"], frame: Int[Array, "*b t"]) -> Bool[Array, "*b t"]:
    return jnp.take_along_axis(state, frame, axis=-1)


def _neighbours(state: Bool[Array, "*b t"]) -> tuple[Bool[Array, "*b t"], Bool[Array, "*b t"]]:
    """The state one frame before and one after, false beyond the ends."""
    padded = jnp.pad(state, [(0, 0)] * (state.ndim - 1) + [(1, 1)])
    return padded[..., :-2], padded[..., 2:]
