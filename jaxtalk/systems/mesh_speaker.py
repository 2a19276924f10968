"""A network of meshes on a template: its numbers as the template's own coefficients, or as components of the motion.

A face with shapes and as many vertices as the network's mesh has the coefficients in [0, 1] whose shapes come nearest
to the network's offsets; so has the built-in face, from which ARKit's names lead to any face that has them. A bare mesh
moves by principal components of what the network gives.
"""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Float32

from jaxtalk.audio import load as audio
from jaxtalk.errors import InputError
from jaxtalk.face import arkit, builtin, fap_motion
from jaxtalk.face import motion as motions
from jaxtalk.face.model import FaceModel
from jaxtalk.face.motion import Motion
from jaxtalk.face.running_components import RunningComponents
from jaxtalk.systems import listen, long_speech, mesh_networks, mesh_numbers, mesh_template
from jaxtalk.systems.mesh_networks import MeshNetwork
from jaxtalk.systems.mesh_options import MeshOptions
from jaxtalk.systems.mesh_template import Template

RIDGE = 1e-4  # of the mean square of a shape
SWEEPS = 100
BLINK = 0.3  # closure of the lids that counts as a blink


def style(network: MeshNetwork, text: str) -> Float32[np.ndarray, "s"]:
    """The row for `A` or `A:0.3,B:0.7`; all speakers alike for nothing. InputError names what is wrong."""
    if not text:
        return mesh_networks.style(network)
    mix = {}
    for part in text.split(","):
        name, colon, weight = part.partition(":")
        try:
            mix[name.strip()] = float(weight) if colon else 1.0
        except ValueError as error:
            raise InputError(f"--style {text}: {weight!r} is no number; write A or A:0.3,B:0.7") from error
    if not np.isfinite(list(mix.values())).all():
        raise InputError(f"--style {text}: weights must be finite; write A or A:0.3,B:0.7")
    return mesh_networks.style(network, mix)


def files(path: Path) -> dict[str, Path]:
    """The files that a network is in, by name, for the record."""
    folder = path if path.is_dir() else path.parent
    found = [*folder.glob("*.safetensors"), *folder.glob(mesh_networks.MESH)]
    return {file.stem: file for file in sorted(found)}


def template(network: MeshNetwork, path: Path | None) -> Template:
    """What the network moves: its own mesh, or that of a file.

    Raises:
        InputError: the file is no mesh, or nothing tells how the network would move it.
    """
    vertices = _vertices(network)
    ours = len(builtin.model().template)
    if path is None:
        if network.face is None or not len(network.face.basis.triangles):
            raise InputError(f"this network comes without a mesh; give one of {vertices} vertices with --template")
        if vertices == ours:
            return Template(None, builtin.model())
        basis = network.face.basis
        own = mesh_template.bare(Path(mesh_networks.MESH), basis.template, basis.triangles)
        return Template(Path(mesh_networks.MESH), own, known=False)
    given = mesh_template.load(path)
    count = len(given.model.template)
    if count == vertices:
        return mesh_template.as_builtin(given) if given.bare and count == ours else given
    if given.named and vertices == ours:
        return given
    raise InputError(f"{path}: has {count} vertices, and this network moves meshes of {vertices}; give such a mesh")


def speak(
    network: MeshNetwork, on: Template, options: MeshOptions, style: Float[np.ndarray, "s"]
) -> tuple[Motion, FaceModel]:
    """The motion of what the speech makes the network do, and the template's mesh with the shapes of the motion."""
    if network.ear is None:
        heard, sound = None, mesh_networks.listen(network, audio.load(options.speech))
    else:
        heard = long_speech.read(options.speech)
        sound = mesh_numbers.rows(network, heard)
    pieces = mesh_numbers.numbers(network, sound, style, options.window)
    matches = len(on.model.template) == _vertices(network)
    if on.bare:
        expression, model = _components(network, on, pieces)
    else:
        rig = on.model if matches else builtin.model()
        solved = _solved(network, rig, pieces)
        model = on.model
        said = Motion(solved, *_still(len(solved)), network.fps, rig.expression_names)
        expression = fap_motion.by_name(said, model.expression_names)
    motion = Motion(expression, *_still(len(expression)), network.fps, model.expression_names)
    if options.fps is not None and options.fps != network.fps:
        motion = motions.resample(motion, options.fps)
    if on.named:
        motion = _blinking(motion, options.seed)
    if on.known and not options.still:
        heard = heard or long_speech.read(options.speech)
        turned = listen.head(heard.spectrum, motion.fps, len(motion), style=0, seed=options.seed)
        motion = Motion(motion.expression, *turned, motion.fps, motion.names)
    return motion, model


def _vertices(network: MeshNetwork) -> int:
    return network.coordinates // 3 if network.face is None else len(network.face.basis.template)


def _still(frames: int):
    return jnp.zeros((frames, 3)), jnp.zeros((frames, 3))


def _components(network, on: Template, pieces) -> tuple[Float[Array, "t k"], FaceModel]:
    """Of a bare mesh: the network's own components, or those of its offsets."""
    if network.face is not None:
        numbers, shapes = np.concatenate(list(pieces)), network.face.basis.basis
        size = np.maximum(np.abs(numbers).max(axis=0), 1e-9)  # so that a morph target is whole at 1
        numbers, shapes = numbers / size[None], shapes * size[:, None, None]
    else:
        running = RunningComponents(_vertices(network))
        for piece in pieces:
            running.add(mesh_networks.offsets(network, piece))
        numbers, shapes = running.finish()
    return jnp.asarray(numbers), mesh_template.moving(on.model, shapes)


def _solved(network, rig: FaceModel, pieces) -> Float[Array, "t e"]:
    """Coefficients of the rig's shapes that come nearest to the network's offsets."""
    shapes = np.asarray(rig.expression, np.float64).reshape(len(rig.expression), -1)
    gram = shapes @ shapes.T
    if network.face is not None:
        basis = np.asarray(network.face.basis.basis, np.float64)
        onto = basis.reshape(len(basis), -1) @ shapes.T
        right = [piece @ onto for piece in pieces]
    else:
        right = [piece @ shapes.T for piece in pieces]
    named = np.array([name in arkit.INDEX for name in rig.expression_names])
    least, most = np.where(named, 0.0, -fap_motion.FREE), np.where(named, 1.0, fap_motion.FREE)
    gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    arrays = (np.concatenate(right), gram, least, most)
    scale = np.trace(gram) / len(gram)  # float32 keeps what is about 1
    arrays = (arrays[0] / scale, arrays[1] / scale, *arrays[2:])
    return nearest(*(jnp.asarray(array, jnp.float32) for array in arrays))


@functools.partial(jax.jit)
def nearest(
    right: Float[Array, "t e"], gram: Float[Array, "e e"], least: Float[Array, "e"], most: Float[Array, "e"]
) -> Float[Array, "t e"]:
    """Bounded least squares min |x A - d|^2, given A A^T and d A^T, by sweeps of coordinate descent."""

    def one(step, x):
        k = step % len(gram)
        best = x[:, k] + (right[:, k] - x @ gram[k]) / gram[k, k]
        return x.at[:, k].set(jnp.clip(best, least[k], most[k]))

    return lax.fori_loop(0, SWEEPS * len(gram), one, jnp.zeros_like(right))


def _blinking(motion: Motion, seed: int) -> Motion:
    """With eyes that live, where the network leaves them open."""
    lids = [motion.names.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight") if name in motion.names]
    if not lids or float(motion.expression[:, np.array(lids)].max()) > BLINK:
        return motion
    drawn = Motion(jnp.asarray(long_speech.eyes(len(motion), motion.fps, seed)), *_still(len(motion)), motion.fps,
                   arkit.NAMES)  # fmt: skip
    upper = jnp.array([name in arkit.INDEX and not listen.MOUTH[arkit.INDEX[name]] for name in motion.names])
    expression = jnp.where(upper[None], fap_motion.by_name(drawn, motion.names), motion.expression)
    return Motion(expression, motion.rotation, motion.translation, motion.fps, motion.names)
