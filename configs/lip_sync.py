"""LipSyncNet, jaxtalk's own judge of lip sync, in two stages: synthetic speech and FACEGOOD, then people as well.

    jaxtalk train lip_tcn --corpus data/corpus
    jaxtalk train lip_sync --corpus data/corpus --facegood DIR --ear runs/lip_tcn/lip_tcn.safetensors
    jaxtalk train lip_sync --corpus data/corpus --facegood DIR --clips DIR --start runs/lip_sync/lip_sync.safetensors \\
        --steps 150 --rate 5e-4 --dropout 0.3 --order 10 --folder runs/lip_sync_people

Reading the corpus takes two minutes; 750 steps of the first stage ten and 150 of the second two, on two cores that
others used too (0.45 to 0.8 s a step). Reached: AUC of one second in sync against shifted by 5 to 15 frames 0.92 on
people left out (0.86 after the first stage, which meets none), 0.87 with our own landmarks; a correlation of LipTCN's
opening 0.74. Held-out sentences: cosine 0.63 in sync, 0.07 and 0.04 five and ten frames apart (docs/lip_sync.md).

Of the 20 lip points about their own middle our landmark network shows less of the jaw than of those about the nose
(correlation of a linear model with the true opening 0.70; of the points' opening alone 0.55).
"""

import dataclasses
import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from configs import expnet
from jaxtalk.audio import mel
from jaxtalk.data import clip_alignment, corpus, landmark_augment, lip_clips, mel_augment
from jaxtalk.face import lip_shape
from jaxtalk.io import weights
from jaxtalk.losses import lip_sync as losses
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import lip_sync_net
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

FRAMES = 96  # in a stretch: 3.84 s
REACH = 15  # frames by which the sound is shifted to either side
NEAR = 2  # shifts up to this are neither right nor wrong
OTHERS = 6  # other people's sound that each moment is told from
WINDOWS = {1: 8.0, 5: 12.0, 25: 20.0}  # frames that are judged together, and how sharply at first
ORDER = (5, 10, 0.06)  # a sound ten frames off should be less similar than one five frames off, by this much
PLAIN = 0.3  # share of stretches whose sound is not varied
HELD_OUT = 30  # held-out clips of the corpus that are evaluated


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Trains LipSyncNet."""

    corpus: Path = Path("data/corpus")
    """Folder that `jaxtalk corpus` wrote."""
    facegood: Path | None = None
    """Folder with 2_01.flac, 2_01.npz ... of FACEGOOD-Audio2Face; 3_15 is kept for testing."""
    clips: Path | None = None
    """Folder with video/NAME.mp4 and tracks/NAME.npz of people talking."""
    names: tuple[str, ...] = expnet.OPEN_CLIPS
    """Which clips."""
    ear: Path | None = None
    """Weights of LipTCN whose first layers the sound tower starts from."""
    start: Path | None = None
    """Weights of LipSyncNet to start from."""
    network: lip_sync_net.Config = lip_sync_net.Config()
    dropout: float = 0.1
    order: float = 0.0
    """Weight of the order of five and ten frames (`losses.lip_sync.disorder`)."""
    batch: int = 16
    steps: int = 750
    rate: float = 1e-3
    seed: int = 0

    def experiment(self) -> Experiment:
        task = Task(self)
        return Experiment(
            name="lip_sync",
            init=task.init,
            step=task.step(),
            data=lambda: lip_clips.stream(task.sources(), self.batch, self.seed),
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
            evaluate_every=self.steps,
            save_every=250,
        )


class Task:
    """The data in memory and the pure functions of one run."""

    shares = {"corpus": 16.0, "facegood": 4.0, "people": 16.0}

    def __init__(self, config: Config):
        self.config = config
        self.network = lip_sync_net.LipSyncNet(dataclasses.replace(config.network, dropout=config.dropout))
        rate = optax.warmup_cosine_decay_schedule(0.0, config.rate, min(100, config.steps // 10), config.steps)
        self.optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate, weight_decay=1e-2))
        self.synthetic = [lip_clips.synthetic(record) for record in corpus.read(config.corpus)]
        self.facegood, self.people = [], []
        if config.facegood:
            folder = config.facegood
            self.facegood = [
                lip_clips.animated(folder / f"{name}.flac", folder / f"{name}.npz") for name in expnet.FACEGOOD_TRAIN
            ]
        if config.clips:
            paths = [(config.clips / f"video/{n}.mp4", config.clips / f"tracks/{n}.npz") for n in config.names]
            self.people = [lip_clips.tracked(*pair) for pair in paths]
            self.ridge = clip_alignment.Ridge([expnet.tracked(config.clips, name) for name in config.names])

    def sources(self, without: frozenset[int] = frozenset()) -> list[tuple[lip_clips.LipStretches, float]]:
        """What is learnt from, with shares; people's lips moved to the sound they belong to.

        `without`: clips that nothing may be learnt from, neither lips nor how late a picture comes.
        """
        given = {"corpus": self.synthetic, "facegood": self.facegood, "people": self.kept(without)}
        return [(lip_clips.LipStretches(clips, FRAMES), self.shares[name]) for name, clips in given.items() if clips]

    def kept(self, without: frozenset[int]) -> list[lip_clips.LipClip]:
        if not self.people:
            return []
        lags = clip_alignment.lags(self.ridge, set(without))
        return [
            dataclasses.replace(person, lead=person.lead - lag / person.fps)
            for i, (person, lag) in enumerate(zip(self.people, lags, strict=True))
            if i not in without
        ]

    def init(self, rng):
        sharpness = jnp.log(jnp.array(list(WINDOWS.values())))
        return train_state.create({"params": {"net": self.first(rng), "sharpness": sharpness}}, self.optimizer, rng)

    def first(self, rng):
        """The network's parameters before the first step."""
        if self.config.start:
            return weights.load(self.config.start).variables["params"]
        lips, sound = jnp.zeros((1, 8, 20, 2)), jnp.zeros((1, 32, mel.BANDS))
        params = self.network.init(rng, lips, sound)["params"]
        if self.config.ear is None:
            return params
        heard, tower = weights.load(self.config.ear).variables["params"], params["sound_tower"]
        return {**params, "sound_tower": {**tower, **{name: heard[name] for name in tower if name != "norm"}}}

    def step(self):
        return make_step(self.loss, self.optimizer, average=0.99)

    def loss(self, params, stats, batch, rng):
        """Surprise at the right shift, in windows of several lengths."""
        varied, coloured, dropped = jax.random.split(rng, 3)
        lips = lip_shape.lip_shape(landmark_augment.vary(varied, batch["landmarks"]))
        sound = mel_augment.augment(coloured, jnp.swapaxes(batch["mel"], 1, 2), plain=PLAIN)
        face, heard = self.network.apply(
            {"params": params["net"]}, lips, jnp.swapaxes(sound, 1, 2), train=True, rngs={"dropout": dropped}
        )
        shifted = losses.shifted_similarity(face, heard, REACH)
        others = losses.other_similarity(face, heard, OTHERS)[:, REACH:-REACH]
        total, metrics = 0.0, {}
        for frames, sharpness in zip(WINDOWS, params["sharpness"], strict=True):
            mine, theirs = losses.window_means(shifted, frames), losses.window_means(others, frames)
            surprise = losses.surprise(mine, jnp.exp(sharpness), NEAR, theirs)
            total += surprise.mean()
            metrics[f"surprise_{frames}"] = Mean.of(surprise)
            metrics[f"right_{frames}"] = Mean.of((mine.argmax(-1) == REACH).astype(jnp.float32))
        disorder = losses.disorder(shifted, *ORDER)
        metrics["disorder"] = Mean.of(disorder)
        return total + self.config.order * disorder.mean(), (stats, metrics)

    def evaluate(self, state) -> dict[str, float]:
        """Held-out sentences: mean cosine in sync, and five and ten frames apart."""
        records = itertools.islice(corpus.read(self.config.corpus, "validation"), HELD_OUT)
        clips = [lip_clips.synthetic(record) for record in records]
        return shifted_means(self.network.config, state.variables["params"]["net"], clips)

    def export(self, state, folder: Path) -> None:
        """Writes `folder/lip_sync.safetensors`."""
        weights.save(
            folder / "lip_sync.safetensors",
            weights.Weights(
                variables={"params": state.variables["params"]["net"]},
                name="lip-sync-jaxtalk",
                config=weights.config_values(self.network.config),
                licence="Apache-2.0",
                note="Synthetic corpus, FACEGOOD-Audio2Face (MIT) and tracks of clips; see configs/lip_sync.py.",
            ),
            half=True,
        )


def shifted_means(config, params, clips: list[lip_clips.LipClip]) -> dict[str, float]:
    rows = []
    for clip in clips:
        lips = np.asarray(lip_shape.lip_shape(jnp.asarray(clip.at_video_rate())))
        face, sound = lip_sync_net.embed(config, params, lips, clip.mel)
        similarity = losses.shifted_similarity(jnp.asarray(face)[None], jnp.asarray(sound)[None], REACH)
        rows.append(np.asarray(similarity[0].mean(0)))
    mean = np.mean(rows, 0)
    return {f"cosine_{shift}": float(mean[REACH + shift]) for shift in (0, 5, 10)}
