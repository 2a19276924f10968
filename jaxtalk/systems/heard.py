"""What a portrait does while it says something: what was heard, and what the user asks on top of it."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from jaxtalk.data import head_motion
from jaxtalk.errors import InputError
from jaxtalk.face.motion import Motion
from jaxtalk.systems import analyse, listen, moves
from jaxtalk.systems.talk_options import TalkOptions


def motion(options: TalkOptions, wave: Float[np.ndarray, "n"]) -> Motion:
    """Heard by the shipped networks; `wave` is mono at 16 kHz."""
    if options.ref_eyeblink is not None:
        raise InputError(
            "--ref-eyeblink: only SadTalker's networks look at a video's blinks; give --blink FILE instead"
        )
    heard = listen.motion(wave, options.fps, blink=blink(options, wave), style=options.style, seed=options.seed)
    heard = moves.scale(heard, options.expression_scale, pose_scale(options))
    if options.ref_pose is not None:
        heard = moves.borrow_pose(heard, analyse.pose_of_video(options.ref_pose, options))
    return moves.turn(heard, options.pitch, options.yaw, options.roll)


def pose_scale(options: TalkOptions) -> float:
    """Factor on the head motion."""
    return 0.0 if options.still else options.pose_scale


def blink(options: TalkOptions, wave: Float[np.ndarray, "n"]) -> Float[np.ndarray, "t"]:
    """Closure of the lids in each frame."""
    frames = listen.frame_count(len(wave), options.fps)
    if options.blink == "none":
        return np.zeros(frames, np.float32)
    if options.blink == "auto":
        return head_motion.blinks(np.random.default_rng(options.seed), np.arange(frames) / options.fps)
    return moves.read_blinks(Path(options.blink), frames)
