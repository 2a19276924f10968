"""From speech and a person's video to what each frame of an avatar is drawn from.

speech --avatar_speech--> landmarks, kept near the person's own ---------------------+
the person's video --eyes, brows--^                                                   +--> moments
the person's video, or speech --PoseVAE--> head, at this person's pace --smoothing----+
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxtalk.audio import mel
from jaxtalk.data import avatar_frames, head_motion
from jaxtalk.face import arkit, landmark_projection, rotation
from jaxtalk.systems import avatar_speech, listen
from jaxtalk.systems.avatar_field import Moment
from jaxtalk.systems.avatar_options import RenderOptions
from jaxtalk.systems.avatar_speech import FPS
from jaxtalk.systems.avatar_store import Person

LAG = 0.2  # of each frame's landmarks is the one before, as GeneFace's fast renderer has it
LIDS = [arkit.INDEX["eyeBlinkLeft"], arkit.INDEX["eyeBlinkRight"]]
REACH = 2.0  # of the person's standard deviations: as far as a generated head goes from its usual pose
RIDGE = 10.0  # frames: how much a torso that does not go with its head counts
SETTLED = 1.0  # seconds in which it leaves that pose
# What the shipped PoseVAE gives in style 0 (six clips of speech): standard deviation, mean change from frame to frame.
USUAL_SPREAD = np.array([0.035, 0.062, 0.0085, 0.0010, 0.0019, 0.0018], np.float32)  # radians, metres
USUAL_PACE = np.array([0.0030, 0.0055, 0.0009, 0.00013, 0.00017, 0.00017], np.float32)


class Head(NamedTuple):
    angles: Float[np.ndarray, "t 3"]
    translation: Float[np.ndarray, "t 3"]


def told(
    person: Person,
    wave: Float[np.ndarray, "n"],
    options: RenderOptions,
    smoothed: int,
    networks: avatar_speech.Networks = avatar_speech.NONE,
) -> Moment:
    """What each frame of the video is drawn from; `wave` is mono at 16 kHz."""
    frames = listen.frame_count(len(wave), FPS)
    there = forth_and_back(len(person.eyes), frames)
    eyes, lids = blinking(person, there, options)
    upper = jnp.asarray(person.expression)[there].at[:, np.array(LIDS)].set(lids)
    said = avatar_speech.points(person, wave, upper, options, networks)
    limited = landmark_projection.clamp(said, jnp.asarray(person.mean), jnp.asarray(person.spread))
    normal = (np.asarray(landmark_projection.lag(limited, LAG)) - person.mean) / person.spread
    windows = avatar_frames.landmark_windows(normal.reshape(frames, -1), smoothed)
    head = moving(person, there, wave, options, networks)
    return Moment(
        jnp.asarray(windows),
        jnp.asarray(eyes, jnp.float32)[:, None],
        rotation.matrix(jnp.asarray(head.angles)),
        jnp.asarray(head.translation),
        jnp.asarray(swaying(person, there, head, options)),
    )


def forth_and_back(known: int, frames: int) -> Int[np.ndarray, "{frames}"]:
    """Frames of a clip of `known` frames, played forwards and backwards without a jump."""
    period = max(2 * known - 2, 1)
    place = np.arange(frames) % period
    return np.where(place < known, place, period - place)


def blinking(
    person: Person, there: Int[np.ndarray, "t"], options: RenderOptions
) -> tuple[Float[np.ndarray, "t"], Float[np.ndarray, "t 2"]]:
    """How open the eyes are, and the lids' two coefficients, between what this person's are when open and shut."""
    lids = person.expression[:, LIDS]
    if options.blink == "video":
        return person.eyes[there], lids[there]
    closure, seconds = np.zeros(len(there), np.float32), np.arange(len(there)) / FPS
    if options.blink == "generated":
        closure = head_motion.blinks(np.random.default_rng(options.seed), seconds)
    wide, shut = np.quantile(person.eyes, 0.9), person.eyes.min()
    up, down = np.quantile(lids, 0.1, axis=0), lids.max(0)
    return wide + closure * (shut - wide), (up + closure[:, None] * (down - up)).astype(np.float32)


def moving(
    person: Person,
    there: Int[np.ndarray, "t"],
    wave: Float[np.ndarray, "n"],
    options: RenderOptions,
    networks: avatar_speech.Networks = avatar_speech.NONE,
) -> Head:
    """The head's pose in each frame, smoothed by Gaussian weights of `--smooth` seconds."""
    if options.pose == "still":
        there = np.full_like(there, _usual(person))
    if options.pose == "generated" and networks.mover:
        head = within(person, avatar_speech.pose(networks.mover, wave, len(there), options.seed))
    elif options.pose == "generated":
        spectrum = mel.log_mel(jnp.asarray(wave))
        head = generated(person, *listen.head(spectrum, FPS, len(there), style=0, seed=options.seed))
    else:
        head = Head(person.angles[there], person.translation[there])
    smooth = lambda track: np.asarray(landmark_projection.smooth(jnp.asarray(track), options.smooth * FPS))  # noqa: E731
    return Head(*map(smooth, head))


def generated(person: Person, angles: Float[Array, "t 3"], translation: Float[Array, "t 3"]) -> Head:
    """PoseVAE's motion as this person's: from the usual pose on, no wider nor quicker than the person moves, and no
    further than the field has seen.
    """
    heard = np.concatenate([angles, translation], axis=1)
    heard = heard - heard.mean(0) * (1 - np.exp(-np.arange(len(heard)) / (FPS * SETTLED)))[:, None]
    own = np.concatenate([person.angles, person.translation], axis=1)
    spread = np.maximum(own.std(0), 1e-6)
    pace = np.abs(np.diff(own, axis=0)).mean(0) if len(own) > 1 else 0 * spread
    return within(person, np.minimum(spread / USUAL_SPREAD, pace / USUAL_PACE) * heard)


def within(person: Person, moved: Float[np.ndarray, "t 6"]) -> Head:
    """A head that moves about the person's mean pose, no further than the field has seen."""
    own = np.concatenate([person.angles, person.translation], axis=1)
    reach = REACH * np.maximum(own.std(0), 1e-6)
    pose = own.mean(0) + reach * np.tanh(moved / reach)
    return Head(*np.split(pose.astype(np.float32), 2, axis=1))


def swaying(
    person: Person, there: Int[np.ndarray, "t"], head: Head, options: RenderOptions
) -> Float[np.ndarray, "t 2 3"]:
    """How the torso moves: as in the video, smoothed as the head is, or as this person's does with such a head."""
    if options.pose == "video":
        return np.asarray(landmark_projection.smooth(jnp.asarray(person.sway[there]), options.smooth * FPS))
    seen, asked = (np.concatenate([x.angles, x.translation], axis=1) for x in (person, head))
    mean, spread = seen.mean(0), np.maximum(seen.std(0), 1e-6)
    poses, sways = (seen - mean) / spread, person.sway.reshape(len(seen), -1)
    slope = np.linalg.solve(poses.T @ poses + RIDGE * np.eye(6), poses.T @ (sways - sways.mean(0)))
    return (sways.mean(0) + (asked - mean) / spread @ slope).reshape(-1, 2, 3).astype(np.float32)


def _usual(person: Person) -> int:
    """The frame whose pose is nearest to the mean one."""
    away = np.linalg.norm(person.angles - person.angles.mean(0), axis=-1)
    return int((away + np.linalg.norm(person.translation - person.translation.mean(0), axis=-1)).argmin())
