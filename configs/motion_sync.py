"""MotionSyncNet, the sync expert of GeneFace: do 0.2 s of speech and of the mouth's points belong together?

    jaxtalk corpus data/corpus --clips 1200
    jaxtalk train motion_sync --corpus data/corpus --clips DIR
    jaxtalk train audio2motion ...       then what it judges

A quarter of the published width; speech is heard by LipTCN instead of HuBERT (`systems.motion_ear`).
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from configs import expnet
from jaxtalk.data import clip_alignment, clips, corpus, talking_motion
from jaxtalk.data.talking_motion import MotionPieces, TalkingMotion
from jaxtalk.io import weights
from jaxtalk.losses import sync
from jaxtalk.metrics.auc import auc
from jaxtalk.metrics.lip_sync import agreement
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import motion_sync_net
from jaxtalk.systems import motion_ear, motion_sync
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

NOTE = "Synthetic corpus and tracks of open clips of people, heard by {ear}; see configs/{name}.py."
PAIRS = 16  # windows of each piece


@dataclasses.dataclass(frozen=True, kw_only=True)
class Speech:
    """Who is learnt from, and how they are heard; the configs of GeneFace's motion share it."""

    corpus: Path = Path("data/corpus")
    """Folder that `jaxtalk corpus` wrote."""
    clips: Path | None = None
    """Folder with video/NAME.mp4 and tracks/NAME.npz of people talking."""
    names: tuple[str, ...] = expnet.OPEN_CLIPS
    """Which clips."""
    people: float = 0.25
    """Share of the clips in a batch."""
    features: motion_ear.Name = "lip_tcn"
    """How speech is heard."""
    ear: Path | None = None
    """Weights of LipTCN that hear; the shipped ones if not given."""
    frames: int = 100
    """In a piece: 4 s."""

    def listen(self) -> motion_ear.Ear:
        return motion_ear.ear(self.features, self.ear)

    def sources(self) -> list[tuple[MotionPieces, float]]:
        """Pieces of the corpus and of people, with their shares."""
        records = list(corpus.read(self.corpus))
        recordings, ear = [clips.synthetic(record) for record in records], self.listen()
        speakers = [
            talking_motion.of_recording(recording, ear, talking_motion.head(record))
            for recording, record in zip(recordings, records, strict=True)
        ]
        found = [(MotionPieces(speakers, self.frames), 1 - self.people if self.clips else 1.0)]
        if self.clips:
            met = people(self.clips, self.names, clips.Spread.of(recordings), ear)
            found.append((MotionPieces(met, self.frames), self.people))
        return found

    def held_out(self) -> list[TalkingMotion]:
        """Sentences of the corpus that nothing learns from."""
        ear = self.listen()
        return [
            talking_motion.of_recording(clips.synthetic(record), ear, talking_motion.head(record))
            for record in corpus.read(self.corpus, "validation")
        ]


def people(folder: Path, names: tuple[str, ...], common: clips.Spread, ear: motion_ear.Ear) -> list[TalkingMotion]:
    """Tracked clips in the common style, each with its picture moved to where its sound belongs."""
    tracked = [expnet.tracked(folder, name) for name in names]
    lags = clip_alignment.lags(clip_alignment.Ridge(tracked), set())
    moved = [
        dataclasses.replace(clips.in_common_style(r, common), lead=r.lead - lag / r.fps)
        for r, lag in zip(tracked, lags, strict=True)
    ]
    return [talking_motion.of_recording(recording, ear) for recording in moved]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Speech):
    """Trains MotionSyncNet (a quarter of the published width)."""

    width: int = 8
    noise: float = 0.2
    """Standard deviation of what is added to the sound's features, which are about 1."""
    batch: int = 32
    steps: int = 1500
    rate: float = 1e-3
    seed: int = 0

    def experiment(self) -> Experiment:
        task = Task(self)
        return Experiment(
            name="motion_sync",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.99),
            data=lambda: talking_motion.stream(task.sources, self.batch, self.seed),
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
            log_every=100,
        )


class Task:
    """The data in memory and the pure functions of one run."""

    def __init__(self, config: Config):
        self.config = config
        self.sources = config.sources()
        self.network = motion_sync_net.MotionSyncNet(motion_sync_net.Config(width=config.width))
        self.optimizer = optax.chain(
            optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(config.rate, config.steps))
        )

    def init(self, rng):
        piece = self.sources[0][0].piece(0, np.random.default_rng(0))
        sound, mouth = piece["sound"][: motion_sync_net.ROWS], piece["motion"][: motion_sync_net.FRAMES]
        variables = self.network.init(rng, jnp.asarray(sound)[None], jnp.asarray(mouth)[None, :, motion_sync.MOUTH])
        return train_state.create(variables, self.optimizer, rng)

    def loss(self, params, stats, batch, rng):
        """Cross-entropy of pairs that belong together or do not."""
        draw, noise = jax.random.split(rng)
        sound = batch["sound"] + self.config.noise * jax.random.normal(noise, batch["sound"].shape)
        heard, seen, together = motion_sync.pairs(draw, sound, batch["motion"], batch["mask"], PAIRS)
        variables = {"params": params, "batch_stats": stats}
        embedded, changed = self.network.apply(variables, heard, seen, train=True, mutable=["batch_stats"])
        cosine = agreement(*embedded)
        loss = sync.cross_entropy(cosine, together)
        right = ((cosine > 0.5) == (together > 0.5)).astype(jnp.float32)
        return loss.mean(), (changed["batch_stats"], {"loss": Mean.of(loss), "right": Mean.of(right)})

    def evaluate(self, state) -> dict[str, float]:
        """On held-out sentences of the corpus."""
        return judge(self.network, state.variables, self.config.held_out(), self.config.frames)

    def export(self, state, folder: Path) -> None:
        """Writes `folder/motion_sync_net.safetensors`."""
        save(folder, "motion_sync_net", state.variables, self.network.config, self.config, "motion_sync")


def judge(network, variables, speakers: list[TalkingMotion], frames: int) -> dict[str, float]:
    """Cross-entropy (0.69: knows nothing) and AUC of pairs that belong together against those that do not."""
    pieces = MotionPieces([one for one in speakers if len(one.motion) >= 2 * motion_sync_net.FRAMES], frames)
    made = [pieces.piece(i, np.random.default_rng(i)) for i in range(len(pieces))]
    sound, motion, mask = (jnp.stack([one[name] for one in made]) for name in ("sound", "motion", "mask"))
    heard, seen, together = motion_sync.pairs(jax.random.key(0), sound, motion, mask, PAIRS)
    cosine = agreement(*jax.jit(network.apply)(variables, heard, seen))
    loss, right = np.asarray(sync.cross_entropy(cosine, together)), np.asarray(together) > 0.5
    return {"loss": float(loss.mean()), "auc": float(auc(cosine[right], cosine[~right]))}


def save(folder: Path, name: str, variables: dict, network, speech: Speech, recipe: str) -> None:
    """A network of motion in half precision; its note says how it hears."""
    made = weights.Weights(
        variables=variables,
        name=name,
        config=weights.config_values(network),
        licence="Apache-2.0",
        note=NOTE.format(ear=speech.features, name=recipe),
    )
    weights.save(folder / f"{name}.safetensors", made, half=True)
