"""Wav2Lip's sync expert: do 0.2 s of sound and the lower half of 5 face crops belong together?

    jaxtalk corpus data/corpus --clips 1200
    jaxtalk train wav2lip_sync --corpus data/corpus --clips DIR
    jaxtalk train wav2lip ...       then what it judges

A quarter of the published width, for two cores. No run has been made yet, so there are no figures; that it learns
pairs by heart is tested.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from configs import expnet
from jaxtalk.data import clip_alignment, corpus, head_clips, host_rows, spoken_faces
from jaxtalk.data.spoken_faces import SpokenFace, Windows
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.losses import sync
from jaxtalk.metrics.auc import auc
from jaxtalk.metrics.lip_sync import agreement
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import wav2lip_syncnet
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

KEPT = 0.75  # of each clip: its end is for evaluation
JUDGED = 512  # held-out windows that are evaluated


@dataclasses.dataclass(frozen=True, kw_only=True)
class Faces:
    """Who is learnt from; the configs of Wav2Lip share it."""

    corpus: Path | None = None
    """Folder that `jaxtalk corpus` wrote."""
    corpus_seed: int = 0
    """The seed it was written with."""
    sentences: int = 64
    """How many clips of the corpus are drawn."""
    frames: int = 100
    """Of each drawn clip."""
    clips: Path | None = None
    """Folder with video/NAME.mp4 and tracks/NAME.npz of people talking."""
    names: tuple[str, ...] = expnet.OPEN_CLIPS
    """Which clips."""
    people: float = 0.75
    """Share of the people in a batch."""
    faces: Path = Path("data/faces")
    """Folder for the cut faces, which are made first where they are missing."""

    def sources(self) -> dict[str, list[SpokenFace]]:
        """Clips of the corpus and of people, as far as they are given."""
        makers: dict[str, dict[str, Callable[[], SpokenFace]]] = {"corpus": {}, "people": {}}
        if self.corpus:
            records = corpus.read(self.corpus)
            for record in (records[i] for i in range(min(self.sentences, len(records)))):
                name = f"{head_clips.name(record)}x{self.frames}"
                makers["corpus"][name] = lambda record=record: spoken_faces.drawn(record, self.corpus_seed, self.frames)
        if self.clips:
            folder, recordings = self.clips, [expnet.tracked(self.clips, name) for name in self.names]
            lags = clip_alignment.lags(clip_alignment.Ridge(recordings), set()) if len(recordings) > 1 else [0]
            for name, lag, recording in zip(self.names, lags, recordings, strict=True):
                files = folder / "video" / f"{name}.mp4", folder / "tracks" / f"{name}.npz"
                late = float(lag / recording.fps)
                makers["people"][name] = lambda files=files, late=late: spoken_faces.filmed(*files, late)
        if not any(makers.values()):
            raise InputError("nothing to learn from; give --corpus or --clips")
        for one in makers.values():
            spoken_faces.write(self.faces, one)
        return {kind: [spoken_faces.read(self.faces / f"{name}.npz") for name in one] for kind, one in makers.items()}

    def mixed(self, make: Callable, batch: int, seed: int):
        """Endless batches of `make(windows)`'s examples, of the first part of each clip."""
        share = {"people": self.people, "corpus": 1 - self.people}
        kept = {kind: Windows(clips, KEPT) for kind, clips in self.sources().items() if clips}
        parts = [(len(one), make(one), share[kind] if len(kept) > 1 else 1.0) for kind, one in kept.items()]
        return host_rows.mixed(parts, batch, seed)

    def held_out(self) -> dict[str, Windows]:
        """The ends of the clips, that nothing learns from."""
        return {kind: Windows(clips, KEPT, rest=True) for kind, clips in self.sources().items() if clips}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Faces):
    """Trains the sync expert."""

    width: int = 8
    batch: int = 64
    steps: int = 2000
    rate: float = 1e-3
    seed: int = 0

    def experiment(self) -> Experiment:
        task = Task(self)
        return Experiment(
            name="wav2lip_sync",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.99),
            data=lambda: self.mixed(lambda windows: windows.pair, self.batch, self.seed),
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
            log_every=50,
        )


class Task:
    """The pure functions of one run."""

    def __init__(self, config: Config):
        self.config = config
        self.network = wav2lip_syncnet.SyncExpert(wav2lip_syncnet.Config(width=config.width))
        schedule = optax.warmup_cosine_decay_schedule(0.0, config.rate, config.steps // 20 + 1, config.steps)
        self.optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule))

    def init(self, rng):
        variables = self.network.init(rng, jnp.zeros((1, 80, 16)), jnp.zeros((1, 5, 48, 96, 3)))
        return train_state.create(variables, self.optimizer, rng)

    def loss(self, params, stats, batch, rng):
        """Cross-entropy of pairs that belong together or do not."""
        variables = {"params": params, "batch_stats": stats}
        embedded, changed = self.network.apply(
            variables, batch["mel"], halves(batch["faces"]), train=True, mutable=["batch_stats"]
        )
        cosine = agreement(*embedded)
        loss = sync.cross_entropy(cosine, batch["together"])
        right = ((cosine > 0.5) == (batch["together"] > 0.5)).astype(jnp.float32)
        return loss.mean(), (changed["batch_stats"], {"loss": Mean.of(loss), "right": Mean.of(right)})

    def evaluate(self, state) -> dict[str, float]:
        """On the ends of the clips: cross-entropy (0.69: knows nothing) and AUC of pairs that belong together."""
        apply, numbers = jax.jit(self.network.apply), {}
        for kind, windows in self.config.held_out().items():
            examples = [windows.pair(i % len(windows), np.random.default_rng(i)) for i in range(JUDGED)]
            cosine, together = [], np.array([one["together"] for one in examples])
            for first in range(0, JUDGED, 64):
                mel, faces = (jnp.stack([one[key] for one in examples[first : first + 64]]) for key in ("mel", "faces"))
                cosine.append(agreement(*apply(state.variables, mel, halves(faces))))
            cosine, together = jnp.concatenate(cosine), jnp.asarray(together)
            loss = sync.cross_entropy(cosine, together).mean()
            known = auc(cosine[together > 0.5], cosine[together < 0.5])
            numbers |= {f"{kind}_loss": float(loss), f"{kind}_auc": float(known)}
        return numbers

    def export(self, state, folder: Path) -> None:
        """Writes `folder/wav2lip_syncnet.safetensors`."""
        save(folder, "wav2lip_syncnet", state.variables, self.network.config)


def scaled(faces) -> jax.Array:
    """Faces of 255 from 0 to 1."""
    return faces.astype(jnp.float32) / 255


def halves(faces) -> jax.Array:
    """Lower halves from 0 to 1 of faces of 255."""
    return scaled(faces[..., 48:, :, :])


def save(folder: Path, name: str, variables: dict, network) -> None:
    """A network of Wav2Lip, in half precision."""
    note = "Pictures of the synthetic corpus and of clips of people; see configs/wav2lip.py and wav2lip_sync.py."
    values = weights.config_values(network)
    made = weights.Weights(variables=variables, name=name, config=values, licence="Apache-2.0", note=note)
    weights.save(folder / f"{name}.safetensors", made, half=True)
