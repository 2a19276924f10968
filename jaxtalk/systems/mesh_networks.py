"""Networks that animate a mesh from speech, as training exported or `jaxtalk convert` wrote them.

    FOLDER/codetalker.safetensors, motion_prior.safetensors   CodeTalker
    FOLDER/faceformer.safetensors                             FaceFormer
    FOLDER/voca.safetensors                                   VOCA
    FOLDER/mesh.npz                                           of those trained here: the mesh and how they hear
    FOLDER/lip_tcn.safetensors                                the ear, where it is not the shipped one

speech --`listen`--> rows [n, f] (or the wave, for wav2vec 2.0) --`animate`, a style--> numbers [t, c]
    --`offsets`--> how far vertices are from rest [t, v, 3]

Without a `mesh.npz` numbers are the offsets themselves, in the unit of the set, and there is no mesh.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int

from jaxtalk.audio import mel, speech_windows
from jaxtalk.errors import InputError
from jaxtalk.face import motion_basis
from jaxtalk.face.motion_basis import MotionBasis
from jaxtalk.io import weights
from jaxtalk.models import codetalker, faceformer, motion_vqvae, speech_encoder, voca
from jaxtalk.systems import motion_ear

MESH, PRIOR, EAR = "mesh.npz", "motion_prior", "lip_tcn"
_KINDS = ("codetalker", "faceformer", "voca")
_VOCASET_RATE = 60.0  # frames a second of VOCA's published network


@dataclasses.dataclass(frozen=True, kw_only=True)
class Face:
    """The mesh that networks learnt to move, and how they hear; what is in `mesh.npz`."""

    basis: MotionBasis
    fps: float
    ear: motion_ear.Name
    speakers: tuple[str, ...]  # whose style is which

    def save(self, folder: Path) -> None:
        motion_basis.save(folder / MESH, self.basis, fps=self.fps, ear=self.ear, speakers=list(self.speakers))


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeshNetwork:
    """One of the three, ready to animate."""

    kind: Literal["codetalker", "faceformer", "voca"]
    model: codetalker.CodeTalker | faceformer.FaceFormer | voca.Voca
    variables: dict
    prior: tuple[motion_vqvae.MotionVqvae, dict] | None = None  # CodeTalker's, with its variables
    face: Face | None = None  # None: converted from a published checkpoint
    ear: motion_ear.Ear | None = None  # None: hears waves

    @property
    def decoder(self):
        """The config that says what a network is given: `motion_decoder.Config`, or `voca.Config`."""
        return self.model.config.decoder if self.kind == "codetalker" else self.model.config

    @property
    def fps(self) -> float:
        return self.face.fps if self.face else getattr(self.decoder, "fps", _VOCASET_RATE)

    @property
    def coordinates(self) -> int:
        return self.decoder.coordinates

    @property
    def speakers(self) -> tuple[str, ...]:
        """Names of the styles; numbers, where nobody knows them."""
        return self.face.speakers if self.face else tuple(str(k) for k in range(self.decoder.styles))


def load(path: Path) -> MeshNetwork:
    """From a folder, or one of the files in it.

    Raises:
        InputError: there is no such network, or it is damaged.
    """
    file = _file(Path(path))
    stored, folder = weights.load(file), file.parent
    if stored.name not in _KINDS:
        raise InputError(f"{file}: is {stored.name}, not one of {', '.join(_KINDS)}; give a network of meshes")
    face = load_face(folder) if (folder / MESH).is_file() else None
    own_ear = folder / f"{EAR}.safetensors"
    ear = motion_ear.ear(face.ear, own_ear if own_ear.is_file() else None) if face else None
    given = {"kind": stored.name, "variables": stored.variables, "face": face, "ear": ear}
    if stored.name == "codetalker":
        model = codetalker.CodeTalker(weights.config(codetalker.Config, stored))
        return MeshNetwork(model=model, prior=load_prior(folder), **given)
    kind, network = (
        (faceformer.Config, faceformer.FaceFormer) if stored.name == "faceformer" else (voca.Config, voca.Voca)
    )
    return MeshNetwork(model=network(weights.config(kind, stored)), **given)


def load_prior(folder: Path) -> tuple[motion_vqvae.MotionVqvae, dict]:
    """CodeTalker's stage one. InputError if the folder has none."""
    stored = weights.load(folder / f"{PRIOR}.safetensors")
    return motion_vqvae.MotionVqvae(weights.config(motion_vqvae.Config, stored)), stored.variables


def load_face(folder: Path) -> Face:
    """InputError if the folder's `mesh.npz` is none."""
    basis, notes = motion_basis.load(folder / MESH)
    try:
        speakers = tuple(str(name) for name in notes["speakers"])
        return Face(basis=basis, fps=float(notes["fps"]), ear=str(notes["ear"]), speakers=speakers)
    except KeyError as error:
        raise InputError(f"{folder / MESH}: lacks {error}; export the network again") from error


def style(network: MeshNetwork, mix: dict[str, float] | None = None) -> Float32[np.ndarray, "s"]:
    """The row for a mix of speakers, {name: weight}; all alike, if none is given. InputError names wrong ones."""
    speakers = network.speakers
    wrong = [name for name in mix or {} if name not in speakers]
    if wrong:
        raise InputError(f"--style {', '.join(wrong)}: no such style; there are {', '.join(speakers)}")
    given = mix or dict.fromkeys(speakers, 1.0 / len(speakers))
    return np.array([given.get(name, 0.0) for name in speakers], np.float32)


def listen(network: MeshNetwork, speech: Float[np.ndarray, "n"]) -> Float32[np.ndarray, "r *f"]:
    """What the network is given of speech (mono, 16 kHz): rows of its ear, `moments` for each frame, or the wave."""
    if network.ear is None:
        if network.kind == "voca":
            raise InputError("this VOCA hears DeepSpeech's features, which are not at hand; give another network")
        wave = jnp.asarray(speech, jnp.float32)
        config = network.decoder.speech
        return np.asarray(speech_encoder.normalise(wave[None])[0] if config.normalise else wave)
    frames = max(1, int(len(speech) / mel.RATE * network.fps))
    return rows(network, mel.log_mel(jnp.asarray(speech, jnp.float32)), frames)


def rows(network: MeshNetwork, spectrum: Float[Array, "c 80"], frames: int) -> Float32[np.ndarray, "r f"]:
    """What the network's ear gives of a log-mel for so many frames: `moments` rows evenly from each frame on."""
    moments = getattr(network.decoder, "moments", 1)
    seconds = np.arange(frames * moments) / (network.fps * moments)
    return network.ear(np.asarray(speech_windows.normalise(spectrum)), seconds)


def animate(
    network: MeshNetwork,
    sound: Float[Array | np.ndarray, "n *f"],
    style: Float[Array | np.ndarray, "s"],
    window: int | None = None,
) -> Float32[np.ndarray, "t c"]:
    """Numbers of a whole clip. `window`: of CodeTalker's faster way; the exact one, if it is not given."""
    return np.asarray(animate_all(network, jnp.asarray(sound)[None], jnp.asarray(style)[None], window=window)[0])


def animate_all(
    network: MeshNetwork,
    sound: Float[Array, "b n *f"],
    style: Float[Array, "b s"],
    lengths: Int[Array, "b"] | None = None,
    window: int | None = None,
    past: int | None = None,
) -> Float32[Array, "b t c"]:
    """Of several clips, padded to one length. `lengths`: frames of each; `past`: frames that are seen before each."""
    prior = network.prior or (None, {})
    plan = _Plan(network.kind, network.model, prior[0], window, past)
    return _animate(plan, network.variables, prior[1], sound, style, lengths)


class _Plan(NamedTuple):
    """What of a call is no array."""

    kind: str
    model: nn.Module
    prior: motion_vqvae.MotionVqvae | None
    window: int | None
    past: int | None


@functools.partial(jax.jit, static_argnums=0)
def _animate(plan: _Plan, variables, prior, sound, style, lengths):
    if plan.kind == "voca":
        return voca.animate(plan.model, variables, sound, style)
    speech = plan.model.apply(variables, sound, method="listen")
    if plan.kind == "faceformer":
        return faceformer.generate(plan.model, variables, speech, style, plan.past)
    both = codetalker.Variables(variables, prior)
    made = codetalker.generate(
        plan.model, plan.prior, both, speech, style, plan.window, past=plan.past, lengths=lengths
    )
    return made.motion


def offsets(network: MeshNetwork, numbers: Float[np.ndarray, "t c"]) -> Float32[np.ndarray, "t v 3"]:
    """How far the vertices are from where they rest."""
    if network.face is None:
        return numbers.reshape(len(numbers), -1, 3)
    return network.face.basis.offsets(numbers)


def _file(path: Path) -> Path:
    """The network that a path means."""
    if not path.is_dir():
        return path
    found = [path / f"{kind}.safetensors" for kind in _KINDS if (path / f"{kind}.safetensors").is_file()]
    if len(found) != 1:
        raise InputError(f"{path}: holds {len(found)} networks of meshes; give one of {', '.join(_KINDS)}.safetensors")
    return found[0]
