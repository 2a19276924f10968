"""`jaxtalk talk`: portrait and speech to video, mesh animation or coefficients (after SadTalker, CVPR 2023).

speech --listen--> Motion --moves--> Motion --+
portrait --detect, fit--> face in the picture +--draw--> frames --write--> mp4
                                              +--------------------------> glb, csv, npz
"""

import logging
import math
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import tqdm
from jaxtyping import Float32

from jaxtalk.audio import load as audio
from jaxtalk.data import head_motion
from jaxtalk.errors import InputError
from jaxtalk.face import motion as motions
from jaxtalk.face.motion import Motion
from jaxtalk.io import glb, livelink, output, provenance, video, weights
from jaxtalk.systems import analyse, listen, moves
from jaxtalk.systems.talk_options import TalkOptions

log = logging.getLogger("jaxtalk")

SUFFIXES = (".mp4", ".mov", ".glb", ".csv", ".npz")
STEP = 8  # frames drawn in one call


class Speech(NamedTuple):
    """What is said: for listening, and for the sound track of a video."""

    wave: Float32[np.ndarray, "n"]  # mono, 16 kHz
    sound: Path | tuple[Float32[np.ndarray, "n"], int]  # the file itself, so that long sound is streamed


def run(options: TalkOptions) -> list[Path]:
    """Makes one portrait talk; returns the files written.

    Raises:
        InputError: an option, the picture, the sound or an output is wrong; nothing is written then.
    """
    _check(options)
    targets = [output.check(path, SUFFIXES) for path in options.output]
    speech = _speech(options)
    portrait = analyse.portrait(options)
    motion = _motion(options, speech)
    networks = listen.NETWORKS + (() if options.landmarks or options.tracker else analyse.NETWORKS)
    made = provenance.record(options, {name: weights.shipped(name) for name in networks})
    for target in targets:
        _write(target, portrait, motion, speech, made, options)
    return targets


def _check(options: TalkOptions) -> None:
    limits = {"size": (64, 2048), "fps": (1, 120), "style": (0, head_motion.STYLES - 1)}
    limits |= {"expression_scale": (0, 4), "pose_scale": (0, 4)}
    for name, (least, most) in limits.items():
        value = getattr(options, name)
        if not (math.isfinite(value) and least <= value <= most):
            raise InputError(f"--{name.replace('_', '-')} {value}: must be {least} to {most}")
    if options.size % 2:
        raise InputError(f"--size {options.size}: must be even for H.264")
    if (options.speech is None) == (options.text is None):
        raise InputError("give either a SPEECH file or --text")


def _speech(options: TalkOptions) -> Speech:
    if options.speech is not None:
        return Speech(audio.load(options.speech), options.speech)
    import soxr

    from jaxtalk.data import tts

    said = tts.synthesise(options.text, language=options.voice)
    wave = soxr.resample(said.samples, said.rate, listen.RATE)
    return Speech(wave.astype(np.float32), (said.samples, said.rate))


def _motion(options: TalkOptions, speech: Speech) -> Motion:
    """What is heard, and what the user asks on top of it."""
    frames = listen.frame_count(len(speech.wave), options.fps)
    motion = listen.motion(
        speech.wave, options.fps, blink=_blink(options, frames), style=options.style, seed=options.seed
    )
    motion = moves.scale(motion, options.expression_scale, 0.0 if options.still else options.pose_scale)
    if options.ref_pose is not None:
        motion = moves.borrow_pose(motion, analyse.pose_of_video(options.ref_pose, options))
    return moves.turn(motion, options.pitch, options.yaw, options.roll)


def _blink(options: TalkOptions, frames: int):
    if options.blink == "none":
        return np.zeros(frames, np.float32)
    if options.blink == "auto":
        return head_motion.blinks(np.random.default_rng(options.seed), np.arange(frames) / options.fps)
    return moves.read_blinks(Path(options.blink), frames)


def _write(target: Path, portrait: "analyse.Analysed", motion: Motion, speech: Speech, made, options) -> None:
    match target.suffix.lower():
        case ".glb":
            glb.write(target, portrait.model, motion, identity=portrait.identity, extras={provenance.FIELD: made})
        case ".csv":
            livelink.write(target, motion)
        case ".npz":
            with output.atomic(target) as temporary:
                motions.save(temporary, motion)
            provenance.stamp_npz(target, made)
        case _:
            _film(target, portrait, motion, speech, made, options)
    provenance.sidecar(target, made)


def _film(target, portrait, motion, speech, made, options) -> None:
    """Draws and writes a few frames at a time, so that length costs no memory."""
    framed = portrait.framing
    height, width = framed.canvas.shape[:2]
    tags = {"comment": provenance.comment(made)}
    with (
        video.Writer(target, width, height, options.fps, audio=speech.sound, metadata=tags) as file,
        tqdm.tqdm(total=len(motion), desc="drawing", unit="frame", disable=None) as bar,
    ):
        for first in range(0, len(motion), STEP):
            # The last batch repeats its last frame: one shape, one compilation.
            place = jnp.minimum(jnp.arange(first, first + STEP), len(motion) - 1)
            drawn = portrait.draw(motion.expression[place], motion.rotation[place], motion.translation[place])
            for face in np.asarray(drawn)[: len(motion) - first]:
                file.write(framed.paste(face))
                bar.update()
