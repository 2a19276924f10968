"""`jaxtalk mesh`: speech to the animation of a mesh (after VOCA, FaceFormer and CodeTalker; ARKit faces by LipTCN).

speech --long_speech--> ARKit's coefficients --by name, or solved--> Motion of the template --write--> glb, html, csv,
       --mesh_network-> offsets of vertices --solved, or components---^                              npz, obj, mp4
"""

import math
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxtalk.data import head_motion
from jaxtalk.errors import InputError
from jaxtalk.face import builtin, fap_motion
from jaxtalk.face.model import FaceModel
from jaxtalk.face.motion import Motion
from jaxtalk.io import (
    container,
    glb,
    glb_rig,
    livelink,
    output,
    output_folder,
    provenance,
    vertex_file,
    video,
    viewer,
    weights,
)
from jaxtalk.systems import listen, long_speech, mesh_film, mesh_networks, mesh_speaker, mesh_template
from jaxtalk.systems.mesh_options import MeshOptions
from jaxtalk.systems.mesh_template import Template

SUFFIXES = (".glb", ".html", ".csv", ".npz", *video.Writer.suffixes)


class Spoken(NamedTuple):
    """What is written."""

    template: Template
    model: FaceModel  # the template's mesh with the shapes that the motion has
    motion: Motion


def run(options: MeshOptions) -> list[Path]:
    """Writes what is asked for; returns the files and folders written.

    Raises:
        InputError: an option, the speech, the template, the network or an output is wrong; nothing is written then.
    """
    _check(options)
    targets = [_target(path) for path in options.output]
    container.check(options.speech)
    if options.network is None:
        spoken, files = _by_lips(options), {name: weights.shipped(name) for name in listen.NETWORKS}
    else:
        spoken, files = _by_network(options)
    made = provenance.record(options, files)
    for target in targets:
        _write(target, spoken, options, made)
    return targets


def _check(options: MeshOptions) -> None:
    for name, least, most in (("size", 64, 2048), ("fps", 1, 120), ("window", 0, 10_000)):
        value = getattr(options, name)
        if value is not None and not (math.isfinite(value) and least <= value <= most):
            raise InputError(f"--{name} {value}: must be {least} to {most}")
    if options.size % 2:
        raise InputError(f"--size {options.size}: must be even for H.264")
    if options.window == 1:
        raise InputError("--window 1: CodeTalker decodes two frames together at least; give 2 or more, or 0 for all")
    if len({str(path) for path in options.output}) < len(options.output):
        raise InputError(f"--output {options.output[0]}: is given twice")


def _target(path: Path) -> Path:
    return output.check(path, SUFFIXES) if path.suffix else output_folder.check(path)


def _by_lips(options: MeshOptions) -> Spoken:
    """The shipped networks move the built-in face, or any that has ARKit's shapes, its topology or shapes to solve."""
    style = _head_style(options.style)
    template = mesh_template.load(options.template)
    if template.bare and len(template.model.template) == len(builtin.model().template):
        template = mesh_template.as_builtin(template)
    if template.bare:
        ours, its = len(builtin.model().template), len(template.model.template)
        raise InputError(
            f"{template.path}: has no blendshapes with ARKit's names, and {its} vertices; give a face that has them, a "
            f"mesh of {ours} vertices as the built-in face has, or the network of this mesh with --network"
        )
    _check_names(options, template)
    still = options.still or not template.known
    said = long_speech.motion(
        long_speech.read(options.speech), options.fps or 25.0, style=style, seed=options.seed, still=still
    )
    return Spoken(template, template.model, on_template(template, said))


def _by_network(options: MeshOptions) -> tuple[Spoken, dict[str, Path]]:
    network = mesh_networks.load(options.network)
    style = mesh_speaker.style(network, options.style)
    template = mesh_speaker.template(network, options.template)
    _check_names(options, template)
    motion, model = mesh_speaker.speak(network, template, options, style)
    return Spoken(template, model, motion), mesh_speaker.files(options.network)


def on_template(template: Template, said: Motion) -> Motion:
    """ARKit's coefficients as the template's own, by name, or by what both faces do to the feature points."""
    names = template.model.expression_names
    if template.named:
        expression = fap_motion.by_name(said, names)
        return Motion(expression, said.rotation, said.translation, said.fps, names)
    on = fap_motion.shapes(template.model)
    faps = fap_motion.from_motion(fap_motion.shapes(builtin.model()), said)
    solved = fap_motion.to_motion(on, faps, said.fps)
    return Motion(solved.expression, said.rotation, said.translation, said.fps, names)


def _head_style(text: str) -> int:
    if text and not (text.isdecimal() and int(text) < head_motion.STYLES):
        raise InputError(
            f"--style {text}: without --network it is the head's motion, 0 to {head_motion.STYLES - 1}; names of "
            "speakers are a network's"
        )
    return int(text or 0)


def _check_names(options: MeshOptions, template: Template) -> None:
    for path in options.output:
        if path.suffix.lower() == ".csv" and not template.named:
            raise InputError(f"{path}: Live Link Face has ARKit's shapes, which this mesh has not; write .glb or .npz")


def _write(target: Path, spoken: Spoken, options: MeshOptions, made: provenance.Record) -> None:
    template, model, motion = spoken
    match target.suffix.lower():
        case "":
            pieces = mesh_film.vertices(model, motion, posed=True)
            vertex_file.write_folder(target, pieces, np.asarray(model.triangles), made)
            return
        case ".glb" if template.scene is not None:
            glb_rig.write(target, template.scene, motion, {provenance.FIELD: made})
        case ".glb":
            _scene(target, spoken, made)
        case ".html":
            _page(target, spoken, options.speech, made)
        case ".csv":
            livelink.write(target, motion)
        case ".npz":
            _arrays(target, spoken, made)
        case _:
            mesh_film.write(target, template, model, motion, options.size, options.speech, made)
    provenance.sidecar(target, made)


def _scene(target: Path, spoken: Spoken, made: provenance.Record) -> None:
    picture = mesh_film.texture(spoken.template, spoken.model)
    glb.write(target, spoken.model, spoken.motion, texture=picture, extras={provenance.FIELD: made})


def _page(target: Path, spoken: Spoken, speech: Path, made: provenance.Record) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scene = Path(folder) / "scene.glb"
        _scene(scene, spoken, made)
        viewer.write(target, scene.read_bytes(), speech, made)


def _arrays(target: Path, spoken: Spoken, made: provenance.Record) -> None:
    """Vertices before the head's motion, which is beside them, and the coefficients that move them."""
    _, model, motion = spoken
    arrays = {"template": model.template, "triangles": model.triangles, "expression": motion.expression}
    arrays |= {"rotation": motion.rotation, "translation": motion.translation}
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    pieces = mesh_film.vertices(model, motion, posed=False)
    vertex_file.write_npz(
        target, pieces, len(motion), {**arrays, "fps": motion.fps, "names": np.array(motion.names)}, made
    )
