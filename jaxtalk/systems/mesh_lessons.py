"""What CodeTalker, FaceFormer and VOCA learn from, how they are judged, and how they are kept.

    FACEGOOD's recordings, the synthetic corpus (both on any rig) or prepared VOCASET or BIWI
        --`Meshes.data`--> the mesh and the basis of its motion, what is learnt from, held-out sentences
    a network --`said`--> motion for held-out sentences --`judged`--> figures

The configs `motion_prior`, `codetalker`, `faceformer` and `voca` are `Meshes` with a network; the last three run a
`Lesson`.
"""

import dataclasses
import functools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int

from jaxtalk.data import corpus, mesh_clips, talking_meshes
from jaxtalk.data.talking_meshes import Pieces, TalkingMesh
from jaxtalk.errors import InputError
from jaxtalk.face import builtin, motion_basis, speech_regions, store
from jaxtalk.face.model import FaceModel
from jaxtalk.face.motion_basis import MotionBasis
from jaxtalk.io import weights
from jaxtalk.systems import mesh_networks, mesh_scores, motion_ear
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

NOTE = "{data}, heard by {ear}; see configs/{name}.py."
TRAIN, TEST = ("2_01", "2_02", "2_03"), ("3_15",)  # of FACEGOOD
_END = 0.9  # of each recording to learn from: the rest is held out
_FRAMES = 400  # that a basis is made of


class Data(NamedTuple):
    face: mesh_networks.Face
    train: list[TalkingMesh]
    held_out: list[TalkingMesh]  # sentences

    @property
    def mean(self) -> Float32[np.ndarray, "k"]:
        """The mean face of what is learnt from."""
        return np.concatenate([mesh.motion for mesh in self.train]).mean(0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Meshes:
    """Who is learnt from, on which mesh, and how they are heard; give one of the first three."""

    facegood: Path | None = None
    """Folder with 2_01.flac, 2_01.npz ... of FACEGOOD-Audio2Face; 3_15 and the end of each are held out."""
    corpus: Path | None = None
    """Folder that `jaxtalk corpus` wrote."""
    meshes: Path | None = None
    """Folder of VOCASET or BIWI that `jaxtalk prepare` wrote."""
    clips: int = 100
    """Of the corpus, at most."""
    model: Path | None = None
    """Face model whose shapes FACEGOOD's weights or the corpus move; the built-in face if not given."""
    components: int = 32
    """Numbers that a frame of vertices is reduced to, at most."""
    fps: float = 30.0
    features: motion_ear.Name = "lip_tcn"
    """How speech is heard."""
    ear: Path | None = None
    """Weights of LipTCN that hear; the shipped ones if not given."""
    frames: int = 90
    """In a piece."""
    batch: int = 16
    steps: int = 1500
    seed: int = 0

    def data(self, face: mesh_networks.Face | None = None) -> Data:
        """Everything in memory. `face`: that of a network that was trained before, whose numbers are to be used."""
        train, held_out = self.recordings("train"), self.recordings("test")
        face = face or self.face(train)
        hear = functools.partial(
            talking_meshes.heard, basis=face.basis, ear=motion_ear.ear(self.features, self.ear), fps=face.fps
        )

        def heard(recordings):
            return [hear(r, speaker=_place(face.speakers, r.speaker)) for r in recordings]

        learnt, tested = heard(train), heard(held_out)
        if self.facegood:  # the end of each
            ends = [round(_END * len(mesh.motion)) for mesh in learnt]
            tested += [m.part(f"end of {m.name}", end, len(m.motion)) for m, end in zip(learnt, ends, strict=True)]
            learnt = [m.part(m.name, 0, end) for m, end in zip(learnt, ends, strict=True)]
        return Data(face, learnt, [part for mesh in tested for part in talking_meshes.sentences(mesh, face.fps)])

    def recordings(self, split: str) -> "Recordings":
        """Of "train" or "test"."""
        given = [path for path in (self.facegood, self.corpus, self.meshes) if path]
        if len(given) != 1:
            raise InputError(f"{len(given)} data sets are given; give one of --facegood, --corpus and --meshes")
        return Recordings(self, split)

    def rig(self) -> FaceModel:
        """The face model that coefficients move."""
        return store.load(self.model) if self.model else builtin.model()

    def face(self, recordings: "Recordings") -> mesh_networks.Face:
        """The basis of their motion."""
        offsets = talking_meshes.sample(recordings, -(-_FRAMES // len(recordings)))
        template, triangles, regions = recordings.mesh(offsets)
        basis = MotionBasis(
            template=template,
            triangles=triangles,
            basis=motion_basis.components(offsets, self.components),
            **regions._asdict(),
        )
        speakers = tuple(dict.fromkeys(r.speaker for r in recordings))
        return mesh_networks.Face(basis=basis, fps=self.fps, ear=self.features, speakers=speakers)

    def name(self) -> str:
        """Which data, for notes."""
        kinds = {"FACEGOOD-Audio2Face (MIT)": self.facegood, "Synthetic corpus": self.corpus}
        return next((name for name, path in kinds.items() if path), "Recorded meshes, whose terms hold")


class Recordings:
    """A split of what a config names, one recording in memory at a time."""

    def __init__(self, config: Meshes, split: str):
        self.config = config
        self._model = None if config.meshes else config.rig()
        self._rig = self._model and talking_meshes.Rig(self._model)
        if config.facegood:
            self._known = TRAIN if split == "train" else TEST
        elif config.corpus:
            self._known = corpus.read(config.corpus, "train" if split == "train" else "validation")
        else:
            self._known = mesh_clips.read(config.meshes, split)

    def __len__(self) -> int:
        return min(len(self._known), self.config.clips) if self.config.corpus else len(self._known)

    def __iter__(self) -> Iterator[talking_meshes.Recording]:
        for k in range(len(self)):
            yield self._recording(self._known[k])

    def _recording(self, one) -> talking_meshes.Recording:
        if self.config.facegood:
            path = self.config.facegood / one
            return talking_meshes.facegood(path.with_suffix(".flac"), path.with_suffix(".npz"), self._rig)
        return talking_meshes.corpus_clip(one, self._rig) if self.config.corpus else talking_meshes.recorded(one)

    def mesh(self, offsets) -> tuple[np.ndarray, np.ndarray, speech_regions.Regions]:
        """Vertices at rest, triangles and regions."""
        if self._model is None:
            template = np.asarray(self._known[0]["template"], np.float32)
            return template, np.zeros((0, 3), int), speech_regions.of_motion(offsets)
        template, triangles = np.asarray(self._model.template, np.float32), np.asarray(self._model.triangles)
        return template, triangles, speech_regions.of_rig(self._model)


def experiment(name: str, task, step) -> Experiment:
    """The run of a config: `task` has `config`, `data`, `init`, `evaluate` and `export`."""
    config: Meshes = task.config
    return Experiment(
        name=name,
        init=task.init,
        step=step,
        data=lambda: talking_meshes.stream(Pieces(task.data.train, config.frames), config.batch, config.seed),
        steps=config.steps,
        evaluate=task.evaluate,
        export=task.export,
        seed=config.seed,
        log_every=100,
        evaluate_every=500,
    )


class Lesson:
    """How a network that speaks is trained: a config's Task adds `config`, `data`, `network`, `optimizer`, `loss`."""

    kind: Literal["codetalker", "faceformer", "voca"]

    def experiment(self) -> Experiment:
        return experiment(self.kind, self, make_step(self.loss, self.optimizer, average=0.99))

    def init(self, rng):
        return train_state.create(self.network.init(rng, *given(self.data)), self.optimizer, rng)

    def evaluate(self, state) -> dict[str, float]:
        """Held-out sentences, from nothing but their speech."""
        return judged(self.data, said(self.made(state.variables), self.data))

    def made(self, variables) -> mesh_networks.MeshNetwork:
        return mesh_networks.MeshNetwork(kind=self.kind, model=self.network, variables=variables, face=self.data.face)

    def export(self, state, folder: Path) -> None:
        """Writes `folder/KIND.safetensors` and `folder/mesh.npz`."""
        save(folder, self.kind, state.variables, self.network.config, self.config, self.data.face)


def styles(face: mesh_networks.Face, speaker: Int[Array, "b"]) -> Float[Array, "b s"]:
    """The row of each speaker; all styles alike for -1."""
    count = len(face.speakers)
    known = jax.nn.one_hot(speaker, count)
    return jnp.where((speaker < 0)[:, None], jnp.full_like(known, 1 / count), known)


def given(data: Data) -> tuple[Float[Array, "1 2 f"], Float[Array, "1 2 k"], Float[Array, "1 s"]]:
    """Two frames of sound, motion and style, to make parameters for."""
    one = data.train[0]
    sound, motion = (jnp.asarray(x[:2])[None] for x in (one.sound, one.motion))
    return sound, motion, styles(data.face, jnp.array([one.speaker]))


def said(network: mesh_networks.MeshNetwork, data: Data, window: int | None = 32) -> Float32[np.ndarray, "b t k"]:
    """Held-out sentences from their speech, padded to one length."""
    batch = {name: jnp.asarray(values) for name, values in talking_meshes.together(data.held_out).items()}
    style = styles(data.face, batch["speaker"])
    return np.asarray(mesh_networks.animate_all(network, batch["sound"], style, batch["length"], window))


def judged(data: Data, made: Float[np.ndarray, "b t k"]) -> dict[str, float]:
    """Scores of held-out sentences that were made together."""
    cut = [one[: len(truth.motion)] for one, truth in zip(made, data.held_out, strict=True)]
    return mesh_scores.scores(data.face.basis, cut, [mesh.motion for mesh in data.held_out], data.mean)


def save(folder: Path, name: str, variables: dict, network, config: Meshes, face: mesh_networks.Face) -> None:
    """A network with its mesh and, where it is not the shipped one, its ear."""
    made = weights.Weights(
        variables=variables,
        name=name,
        config=weights.config_values(network),
        licence="Apache-2.0",
        note=NOTE.format(data=config.name(), ear=config.features, name=name),
    )
    weights.save(folder / f"{name}.safetensors", made)
    face.save(folder)
    if config.ear and config.features == "lip_tcn":
        shutil.copyfile(config.ear, folder / f"{mesh_networks.EAR}.safetensors")


def _place(speakers: tuple[str, ...], speaker: str) -> int:
    """Which style; -1, all of them alike, for people nothing was learnt from."""
    return speakers.index(speaker) if speaker in speakers else -1
