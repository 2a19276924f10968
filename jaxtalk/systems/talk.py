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
from jaxtalk.systems import analyse, heard, listen
from jaxtalk.systems.talk_options import TalkOptions

log = logging.getLogger("jaxtalk")

SUFFIXES = (".mp4", ".mov", ".glb", ".csv", ".npz")


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
    portrait, motion, files = (_networks if options.renderer == "vid2vid" else _warp)(options, speech)
    if options.landmarks is None and options.tracker is None:
        files |= {name: weights.shipped(name) for name in analyse.NETWORKS}
    made = provenance.record(options, files)
    for target in targets:
        _write(target, portrait, motion, speech, made, options)
    return targets


def _check(options: TalkOptions) -> None:
    limits = {"size": (64, 2048), "fps": (1, 120), "style": (0, head_motion.STYLES - 1), "batch": (1, 1024)}
    limits |= {"expression_scale": (0, 4), "pose_scale": (0, 4)}
    for name, (least, most) in limits.items():
        value = getattr(options, name)
        if value is not None and not (math.isfinite(value) and least <= value <= most):
            raise InputError(f"--{name.replace('_', '-')} {value}: must be {least} to {most}")
    if (options.size or 0) % 2:
        raise InputError(f"--size {options.size}: must be even for H.264")
    if (options.speech is None) == (options.text is None):
        raise InputError("give either a SPEECH file or --text")
    _check_renderer(options)


def _check_renderer(options: TalkOptions) -> None:
    draws, mesh = options.renderer == "vid2vid", [p for p in options.output if p.suffix.lower() in (".glb", ".csv")]
    if draws and options.weights is None:
        raise InputError("--renderer vid2vid: needs --weights FOLDER, from jaxtalk convert sadtalker FILE... FOLDER")
    if draws and mesh:
        raise InputError(f"{mesh[0]}: networks draw no mesh; write .mp4, .mov or .npz, or leave out --renderer vid2vid")
    if not draws and options.weights is not None:
        raise InputError(f"--weights {options.weights}: is for --renderer vid2vid; give both or neither")
    if not draws and options.ref_eyeblink is not None:
        raise InputError("--ref-eyeblink: is for SadTalker's networks (--renderer vid2vid); give --blink FILE instead")
    if options.ref_eyeblink is not None and options.blink != "auto":
        raise InputError(f"--blink {options.blink}, --ref-eyeblink: give one of them")


def _speech(options: TalkOptions) -> Speech:
    if options.speech is not None:
        return Speech(audio.load(options.speech), options.speech)
    import soxr

    from jaxtalk.data import tts

    said = tts.synthesise(options.text, language=options.voice)
    wave = soxr.resample(said.samples, said.rate, listen.RATE)
    return Speech(wave.astype(np.float32), (said.samples, said.rate))


def _warp(options: TalkOptions, speech: Speech) -> tuple[analyse.Analysed, Motion, dict[str, Path]]:
    """The portrait, its motion, and the files of the networks that heard and draw."""
    portrait = analyse.portrait(options)
    return portrait, heard.motion(options, speech.wave), {name: weights.shipped(name) for name in listen.NETWORKS}


def _networks(options: TalkOptions, speech: Speech):
    """The same where networks draw."""
    from jaxtalk.systems import sadtalker, vid2vid

    portrait = vid2vid.portrait(options)
    networks = portrait.networks
    if networks.published:
        return portrait, sadtalker.hear(options, speech.wave, networks, portrait.row), networks.files()
    files = {name: weights.shipped(name) for name in listen.NETWORKS}
    return portrait, heard.motion(options, speech.wave), files | networks.files()


def _write(target: Path, portrait, motion: Motion, speech: Speech, made, options) -> None:
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
    framed, tracks = portrait.framing, portrait.tracks(motion)
    height, width = framed.canvas.shape[:2]
    tags = {"comment": provenance.comment(made)}
    with (
        video.Writer(target, width, height, options.fps, audio=speech.sound, metadata=tags) as file,
        tqdm.tqdm(total=len(motion), desc="drawing", unit="frame", disable=None) as bar,
    ):
        for first in range(0, len(motion), options.batch):
            # The last batch repeats its last frame: one shape, one compilation.
            place = jnp.minimum(jnp.arange(first, first + options.batch), len(motion) - 1)
            drawn = portrait.draw(*(track[place] for track in tracks))
            for face in np.asarray(drawn)[: len(motion) - first]:
                file.write(framed.paste(face))
                bar.update()
