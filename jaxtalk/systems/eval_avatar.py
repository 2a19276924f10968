"""How well an avatar's motion and pictures do on the end of a person's own video, which nothing learnt from.

    the held-out speech --a system--> motion --opening of the lips, distance to the person's own frames--+
    tracked landmarks, poses, torso of a few frames --a field--> pictures --PSNR of all, head, torso-----+--> a row

A system gives what it has, motion or pictures or both. `configs/eval_avatar_ablations.py` makes a table of them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from jaxtalk.data import avatar_frames, person_video, talking_motion
from jaxtalk.metrics import motion_domain, psnr, ssim
from jaxtalk.metrics.lip_correlation import correlation
from jaxtalk.systems import avatar_field, avatar_store, motion_ear, spoken_motion
from jaxtalk.systems.avatar_field import Moment

COLUMNS = {
    "opening": "lip opening ↑",
    "mean": "mean ↓",
    "spread": "spread ↓",
    "frechet": "Fréchet ↓",
    "nearest": "nearest ↓",
    "psnr": "PSNR dB ↑",
    "head_psnr": "head dB ↑",
    "torso_psnr": "torso dB ↑",
    "ssim": "SSIM ↑",
}


class Given(NamedTuple):
    """A person to be judged by."""

    person: person_video.PersonVideo
    frames: int  # held-out frames that are drawn

    @property
    def shown(self) -> list[int]:
        """Numbers of those frames, spread evenly over the held-out part."""
        return avatar_frames.shown(self.person.held_out.stop - self.person.held_out.start, self.frames)


class Made(NamedTuple):
    """What a system makes of the person's held-out speech, and of its held-out frames `Given.shown`."""

    motion: Float[np.ndarray, "t 204"] | None = None  # in units of `talking_motion.UNIT`
    pictures: UInt8[np.ndarray, "k s s 3"] | None = None


System = Callable[[Given], Made]


def truth(given: Given) -> Made:
    person = given.person
    motion = talking_motion.of_expression(person.face["expression"][person.held_out])
    return Made(motion, np.stack([person.pictures[person.held_out][k] for k in given.shown]))


def measure(made: Made, true: Made, given: Given) -> dict[str, float]:
    """`COLUMNS`, as far as there is something to measure."""
    person, found = given.person, {}
    if made.motion is not None:
        lips = correlation(spoken_motion.opening(made.motion), spoken_motion.opening(true.motion))
        own = talking_motion.of_expression(person.face["expression"][person.train])
        found = {"opening": float(lips)} | motion_domain.distance(made.motion, own)._asdict()
    if made.pictures is not None and made is not true:
        seen, right = (jnp.asarray(x, jnp.float32) / 255 for x in (made.pictures, true.pictures))
        shares = jnp.asarray(np.stack([person.labels[person.held_out][k] for k in given.shown]), jnp.float32) / 255
        head, torso = (float(psnr.within(seen, right, shares[..., k]).mean()) for k in range(2))
        found |= {"psnr": float(psnr.psnr(seen, right).mean()), "head_psnr": head, "torso_psnr": torso}
        found["ssim"] = float(ssim.ssim(seen, right).mean())
    return found


def motion(audio2motion: Path, postnet: Path | None, features: motion_ear.Name, temperature: float) -> System:
    """Audio2Motion with a PostNet or without, kept near the person's own frames as in `avatar render`."""
    talker = spoken_motion.audio2motion(audio2motion)
    corrected = spoken_motion.postnet(postnet) if postnet else None

    def say(given: Given) -> Made:
        parts = talking_motion.of_person(given.person.folder, motion_ear.ear(features))
        own = (talking_motion.UNIT * parts.train.motion).reshape(-1, 68, 3)
        known = spoken_motion.Known(neutral=np.zeros((68, 3), np.float32), points=own.astype(np.float32))
        manner = spoken_motion.Manner(temperature=temperature)
        points = spoken_motion.points(talker, parts.held_out.sound, known, corrected, manner)
        return Made(motion=np.asarray(points).reshape(len(points), -1) / talking_motion.UNIT)

    return say


def field(folder: Path) -> System:
    """The avatar in the folder, told the held-out frames' own landmarks, poses and torso."""

    def draw(given: Given) -> Made:
        avatar, variables, _ = avatar_store.load(folder)
        smoothed = avatar.network.config.condition.smoothed
        kept = avatar_frames.of_person(given.person, given.person.held_out, smoothed)
        params, space = variables["params"], avatar.space(variables["batch_stats"]["occupancy"])
        codes, behind = avatar_field.codes(params, 0), jnp.asarray(kept.background, jnp.float32) / 255
        picture = jax.jit(lambda moment: avatar.picture(params, space, moment, codes, behind).colour)
        drawn = [picture(Moment.of(vars(kept), k)) for k in given.shown]
        colours = np.stack(drawn).reshape(len(drawn), avatar.size, avatar.size, 3)
        return Made(pictures=np.uint8(255 * colours.clip(0, 1) + 0.5))

    return draw


def both(speaks: System, drawn: System) -> System:
    return lambda given: Made(speaks(given).motion, drawn(given).pictures)
