"""`jaxtalk fap`: speech to MPEG-4 facial animation parameters, and these to a face (after the FAP system of 2003).

speech --listen--> FapStream --+-- .fap
              .fap --read--^   +-- shapes or feature points of any face model --> mp4, glb
       - (live) --fap_live--^

What is drawn is what the stream says, rounded as in its file.
"""

import math
import sys
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import tqdm
from jaxtyping import Array, Float

from jaxtalk.audio import load as audio
from jaxtalk.data import head_motion
from jaxtalk.errors import InputError
from jaxtalk.face import builtin, fap, fap_motion, fap_mouth, fap_points, fap_stream, store, visemes
from jaxtalk.face.fap_stream import FapStream
from jaxtalk.face.model import FaceModel
from jaxtalk.io import container, fap_file, glb, output, provenance, video, weights
from jaxtalk.render import face_picture
from jaxtalk.systems import face_look, fap_listener, fap_live, listen
from jaxtalk.systems.fap_options import FapOptions

SUFFIXES = (".fap", ".mp4", ".mov", ".glb")
NETWORKS = {"tcn": listen.NETWORKS, "perceptron": ("fap", "posevae")}  # names of shipped weights by listener
STEP = 8  # frames drawn in one call


class Played(NamedTuple):
    """A stream on a face."""

    model: FaceModel
    on: fap_motion.Shapes
    faps: Float[Array, "t 68"]  # expanded
    expression: Float[Array, "t e"]
    rotation: Float[Array, "t 3"]
    fps: float


def run(options: FapOptions) -> list[Path]:
    """Writes what is asked for; returns the files written.

    Raises:
        InputError: an option, the source, the face or an output is wrong; nothing is written then.
    """
    _check(options)
    targets = [output.check(path, SUFFIXES) for path in options.output]
    model = store.load(options.face) if options.face else builtin.model()
    networks = ()
    if _live(options):
        stream, networks = fap_live.speak(sys.stdin.buffer, sys.stdout, float(options.fps)), ("fap",)
    elif options.source.suffix.lower() == ".fap":
        stream = fap_file.read(options.source)
    else:
        stream, networks = heard(options), NETWORKS[options.listener]
    made = provenance.record(options, {name: weights.shipped(name) for name in networks})
    played = None
    for target in targets:
        if target.suffix.lower() == ".fap":
            fap_file.write(target, stream)
        else:
            played = played or play(stream, model)
            _draw(target, played, options, made)
        provenance.sidecar(target, made)
    return targets


def heard(options: FapOptions) -> FapStream:
    """The parameters of what the speech makes the built-in face do; gaze, lids and head are drawn at random."""
    wave, fps, perceptron = audio.load(options.source), float(options.fps), options.listener == "perceptron"
    times = np.arange(listen.frame_count(len(wave), fps)) / fps
    blink = head_motion.blinks(np.random.default_rng(options.seed), times)
    motion = listen.motion(wave, fps, blink=blink, style=0, seed=options.seed, lips=not perceptron)
    on = fap_motion.shapes(builtin.model())
    faps = np.array(fap_motion.from_motion(on, motion))
    if perceptron:
        spoken = fap_listener.animate(fap_listener.load(weights.shipped("fap")), wave, fps)
        faps[:, fap_mouth.SPOKEN] = spoken[:, fap_mouth.SPOKEN]
    selected = np.array(on.features.known)
    selected[list(fap.HEAD)] = not options.still
    name = "_".join(options.source.stem.split()) or "speech"
    return fap_stream.stream(faps, fps, name, selected)


def play(stream: FapStream, model: FaceModel) -> Played:
    """What a stream makes a face do, in the face's own expression shapes."""
    faps, given = visemes.expand(stream)
    on, faps = fap_motion.shapes(model), jnp.asarray(faps, jnp.float32)
    motion = fap_motion.to_motion(on, faps, stream.fps, given)
    return Played(model, on, faps, motion.expression, motion.rotation, stream.fps)


def _check(options: FapOptions) -> None:
    if not (math.isfinite(options.size) and 64 <= options.size <= 2048) or options.size % 2:
        raise InputError(f"--size {options.size}: must be even and 64 to 2048")
    kinds = {path.suffix.lower() for path in options.output}
    if options.deform == "points" and ".glb" in kinds:
        raise InputError("--deform points: is for video; a .glb holds the face's own shapes")
    if options.sound is not None and options.source.suffix.lower() != ".fap":
        raise InputError(f"--sound {options.sound}: is for a .fap file; speech brings its own")
    if _live(options) and (kinds != {".fap"} or options.listener == "tcn"):
        raise InputError("source -: live speech goes through --listener perceptron to .fap; draw that file afterwards")
    for path in (options.source, options.sound, options.face):
        if path is not None and not (path is options.source and _live(options)):
            container.check(path)


def _live(options: FapOptions) -> bool:
    return str(options.source) == "-"


def _draw(target: Path, played: Played, options: FapOptions, made) -> None:
    if target.suffix.lower() == ".glb":
        rotation = played.rotation
        motion = fap_motion.Motion(
            played.expression, rotation, jnp.zeros_like(rotation), played.fps, played.model.expression_names
        )
        glb.write(target, played.model, motion, extras={provenance.FIELD: made})
        return
    sound = options.sound if options.source.suffix.lower() == ".fap" else options.source
    film(target, played, options.size, points=options.deform == "points", sound=sound, made=made)


def film(target: Path, played: Played, size: int, *, points: bool, sound: Path | None, made: provenance.Record) -> None:
    """Draws and writes a few frames at a time, so that length costs no memory."""
    model, albedo = face_look.dress(played.model, played.on.features)
    rig = fap_points.rig(played.model) if points else None
    count = len(played.faps)
    with (
        video.Writer(
            target, size, size, played.fps, audio=sound, metadata={"comment": provenance.comment(made)}
        ) as file,
        tqdm.tqdm(total=count, desc="drawing", unit="frame", disable=None) as bar,
    ):
        for first in range(0, count, STEP):
            # The last batch repeats its last frame: one shape, one compilation.
            place = jnp.minimum(jnp.arange(first, first + STEP), count - 1)
            faps = played.faps[place]
            if rig:
                vertices = rig.displace(faps)
            else:
                vertices = fap_motion.vertices(played.on, played.model, played.expression[place], faps)
            still = jnp.zeros((STEP, 3))
            drawn = face_picture.draw(model, vertices, played.rotation[place], still, albedo, size)
            for picture in np.asarray(drawn)[: count - first]:
                file.write(picture)
                bar.update()
