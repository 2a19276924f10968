"""CodeTalker's stage one: the motion of a mesh as codes, a prior that stage two predicts.

    jaxtalk train motion_prior --facegood DIR --model ict.npz
    jaxtalk train codetalker --prior runs/motion_prior/motion_prior.safetensors ...      then speech

Absolute error of the motion and the published losses of the codebook; with `--averages` codes are moving averages.
Codes that nothing came to for `revive` steps are moved to where features are. The other configs of meshes read their
data here, too.
"""

import dataclasses
import functools
import shutil
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtalk.data import corpus, mesh_clips, talking_meshes
from jaxtalk.data.talking_meshes import Pieces, TalkingMesh
from jaxtalk.errors import InputError
from jaxtalk.face import builtin, motion_basis, speech_regions, store
from jaxtalk.face.motion_basis import MotionBasis
from jaxtalk.io import weights
from jaxtalk.losses import codebook as losses
from jaxtalk.metrics.codebook import CodebookUse
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import motion_vqvae
from jaxtalk.models.codebook import Averages, revive
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
    def mean(self) -> np.ndarray:
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

    def rig(self):
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

    def __iter__(self):
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Meshes):
    """Trains MotionVqvae (a sixteenth of the published width, on numbers instead of vertices)."""

    width: int = 64
    layers: int = 2
    heads: int = 4
    hidden: int = 128
    codes: int = 64
    parts: int = 4
    """Codes of a frame."""
    code_width: int = 16
    averages: bool = False
    """Codes are moving averages of the features that took them; else they follow gradients."""
    revive: int = 50
    """Steps after which codes that nothing took are moved."""
    dropout: float = 0.1
    batch: int = 16
    steps: int = 1500
    rate: float = 2e-3
    seed: int = 0

    def network(self, coordinates: int) -> motion_vqvae.Config:
        return motion_vqvae.Config(
            coordinates=coordinates,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            hidden=self.hidden,
            codes=self.codes,
            parts=self.parts,
            code_width=self.code_width,
            projected=self.parts * self.code_width != self.width,
            dropout=self.dropout,
        )

    def experiment(self) -> Experiment:
        task = Task(self)
        return Experiment(
            name="motion_prior",
            init=task.init,
            step=task.step,
            data=lambda: talking_meshes.stream(Pieces(task.data.train, self.frames), self.batch, self.seed),
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
            log_every=100,
            evaluate_every=500,
        )


class Task:
    """The data in memory (that of another run, if given) and the pure functions of one run."""

    def __init__(self, config: Config, data: Data | None = None):
        self.config, self.data = config, data or config.data()
        self.network = motion_vqvae.MotionVqvae(config.network(len(self.data.face.basis.basis)))
        self.optimizer = optimizer(config)
        self._gradient_step = make_step(self.loss, self.optimizer, average=0.99)

    def init(self, rng):
        c = self.network.config
        made = train_state.create(self.network.init(rng, jnp.zeros((1, 2, c.coordinates))), self.optimizer, rng)
        stats = {"taken": jnp.zeros(c.codes), "seen": jnp.zeros((c.codes, c.code_width))}
        if self.config.averages:
            stats |= Averages.of(made.params["codebook"]["codes"])._asdict()
        return made.replace(stats=jax.tree.map(jnp.copy, stats))

    def loss(self, params, stats, batch, rng):
        """Means over clips."""
        motion, lengths = batch["motion"], batch["length"]
        own = jnp.arange(motion.shape[1])[None] < lengths[:, None]
        again, features, coded = self.network.apply(
            {"params": params}, motion, lengths, train=True, rngs={"dropout": rng}
        )
        vq = losses.commitment if self.config.averages else losses.quantisation
        scale = losses.BETA if self.config.averages else 1.0
        terms = {
            "error": Mean.of(losses.absolute_error(again, motion, own)),
            "codebook": Mean.of(scale * vq(features, coded.codes, own)),
        }
        counted = jnp.broadcast_to(own[..., None], coded.indices.shape)
        use = CodebookUse.of(coded.indices, self.network.config.codes, counted)
        metrics = terms | {"used": Mean.of(use.used()), "perplexity": Mean.of(use.perplexity())}
        changed = {"taken": stats["taken"] + use.counts, "seen": some(features, len(stats["seen"]))}
        if self.config.averages:
            known = Averages(stats["counts"], stats["sums"])
            changed |= known.after(features, coded.indices, counted)._asdict()
        return sum(term.value() for term in terms.values()), (stats | changed, metrics)

    def step(self, state, batch):
        """A step along the gradient, then the codebook's own."""
        state, metrics = self._gradient_step(state, batch)
        codes, stats = state.params["codebook"]["codes"], dict(state.stats)
        if self.config.averages:
            codes = Averages(stats["counts"], stats["sums"]).codes
        due, used = state.step % self.config.revive == 0, stats["taken"] > 0
        moved = revive(jax.random.fold_in(state.rng, state.step), codes, used | ~due, stats["seen"])
        fresh = (due & ~used)[:, None]
        stats["taken"] = jnp.where(due, 0.0, stats["taken"])
        if self.config.averages:
            stats["counts"] = jnp.where(fresh[:, 0], 1.0, stats["counts"])
            stats["sums"] = jnp.where(fresh, moved, stats["sums"])
        averaged = jnp.where(fresh | self.config.averages, moved, state.average["codebook"]["codes"])
        return state.replace(
            params=state.params | {"codebook": {"codes": moved}},
            average=state.average | {"codebook": {"codes": averaged}},
            stats=stats,
        ), metrics

    def evaluate(self, state) -> dict[str, float]:
        """Held-out sentences through the codes."""
        batch = talking_meshes.together(self.data.held_out)
        lengths = jnp.asarray(batch["length"])
        made, _, coded = jax.jit(self.network.apply)({"params": state.average}, jnp.asarray(batch["motion"]), lengths)
        own = jnp.arange(made.shape[1])[None] < lengths[:, None]
        counted = jnp.broadcast_to(own[..., None], coded.indices.shape)
        use = CodebookUse.of(coded.indices, self.network.config.codes, counted)
        found = judged(self.data, np.asarray(made))
        return found | {"used": float(use.used()), "perplexity": float(use.perplexity())}

    def export(self, state, folder: Path) -> None:
        """Writes `folder/motion_prior.safetensors` and `folder/mesh.npz`."""
        save(folder, "motion_prior", {"params": state.average}, self.network.config, self.config, self.data.face)


def given(data: Data):
    """Two frames of sound, motion and style, to make parameters for."""
    one = data.train[0]
    sound, motion = (jnp.asarray(x[:2])[None] for x in (one.sound, one.motion))
    return sound, motion, styles(data.face, jnp.array([one.speaker]))


def said(network: mesh_networks.MeshNetwork, data: Data, window: int | None = 32) -> np.ndarray:
    """Held-out sentences from their speech, padded to one length [b t k]."""
    batch = {name: jnp.asarray(values) for name, values in talking_meshes.together(data.held_out).items()}
    style = styles(data.face, batch["speaker"])
    return np.asarray(mesh_networks.animate_all(network, batch["sound"], style, batch["length"], window))


def some(features, count: int):
    """So many features from all over a batch, for codes to be moved to."""
    flat = jax.lax.stop_gradient(features).reshape(-1, features.shape[-1])
    return flat[np.linspace(0, len(flat) - 1, count).astype(int)]


def styles(face: mesh_networks.Face, speaker):
    """The row of each speaker; all styles alike for -1."""
    count = len(face.speakers)
    known = jax.nn.one_hot(speaker, count)
    return jnp.where((speaker < 0)[:, None], jnp.full_like(known, 1 / count), known)


def optimizer(config) -> optax.GradientTransformation:
    rate = optax.warmup_cosine_decay_schedule(0.0, config.rate, min(100, config.steps // 10), config.steps)
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))


def judged(data: Data, made: np.ndarray) -> dict[str, float]:
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
