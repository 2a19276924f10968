"""The 2003 FAP system: ISODATA patterns of FAP vectors, and a perceptron that hears which one a face shows.

jaxtalk train fap --facegood DIR                          # what is shipped: 29 patterns, softmax
jaxtalk train fap --corpus data/corpus --facegood DIR

500 steps of 512 windows: one minute on two busy CPU cores, features included (41 s of processor time). Lip opening of
FACEGOOD's unseen 3_15, shipped weights: correlation 0.748, smoothed 0.749, jitter 40378 and 27985. Learnt together with
500 clips of the corpus: 0.728 and 0.732. All tables are in docs/fap.md (benchmarks/fap_tables.py).

Lips rest in FACEGOOD's pauses, and much of that correlation is who speaks when: in the frames in which the lips are
open it is 0.46 (energy alone: 0.37; over all frames 0.69).
"""

import dataclasses
import functools
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtalk.audio import mixed_features
from jaxtalk.data import corpus, fap_clips
from jaxtalk.face import fap_mouth
from jaxtalk.io import weights
from jaxtalk.metrics import fap_error, jitter, lip_correlation
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import fap_perceptron, fap_smoothing, isodata
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

FACEGOOD_TRAIN, FACEGOOD_TEST = ("2_01", "2_02", "2_03"), ("3_15",)
_OBJECTS = 12_000  # FAP vectors of each source among which patterns are sought
_CLIPS = 20  # of the corpus that are evaluated


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Trains the FAP perceptron on FACEGOOD, on the synthetic corpus, or on both alike."""

    facegood: Path | None = None
    """Folder with 2_01.flac, 2_01.npz ... of FACEGOOD-Audio2Face; 3_15 is the open set."""
    corpus: Path | None = None
    """Folder that `jaxtalk corpus` wrote; its validation split is the open set."""
    clips: int = 500
    """How many of the corpus's clips are learnt from: more than these few steps can use."""
    code: Literal["binary", "softmax"] = "softmax"
    """Output nodes: the pattern's number in binary, as published, or one node for each pattern."""
    patterns: isodata.Config = isodata.Config(expected=29, minimum=20, split=42.0, merge=150.0)
    """How patterns are sought; lengths in FAP units."""
    noise: float = 0.5
    """Standard deviation of what is added to the normalised features in training."""
    steps: int = 500
    batch: int = 512
    rate: float = 3e-3
    seed: int = 0

    def experiment(self, sets: "Sets | None" = None) -> Experiment:
        """`sets` are the clips, where they are at hand: what `clips_of` gave."""
        task = Task(self, sets)
        return Experiment(
            name="fap",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.99),
            data=lambda: fap_clips.stream(task.sources(), self.batch, self.seed),
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
        )


Sets = tuple[dict[str, list[fap_clips.FapClip]], dict[str, list[fap_clips.FapClip]]]


class Task:
    """The data in memory and the pure functions of one run."""

    def __init__(self, config: Config, sets: "Sets | None" = None):
        self.config = config
        self.closed, self.open = sets or clips_of(config)
        vectors = [np.concatenate([c.faps for c in clips]) for clips in self.closed.values()]
        self.centres = find_patterns(vectors, config.patterns)
        self.network = fap_perceptron.FapPerceptron(fap_perceptron.Config(patterns=len(self.centres), code=config.code))
        self.optimizer = optax.adamw(optax.cosine_decay_schedule(config.rate, config.steps), weight_decay=1e-3)

    def sources(self):
        """Windows and patterns of each source, in equal shares."""
        return [
            (
                np.concatenate([c.windows for c in clips]),
                pattern_of(np.concatenate([c.faps for c in clips]), self.centres),
                1.0,
            )
            for clips in self.closed.values()
        ]

    def init(self, rng):
        empty = jnp.zeros((1, mixed_features.CONTEXT, mixed_features.FEATURES))
        return train_state.create(self.network.init(rng, empty), self.optimizer, rng)

    def loss(self, params, stats, batch, rng):
        windows = batch["window"] + self.config.noise * jax.random.normal(rng, batch["window"].shape)
        log_probability = self.network.apply({"params": params}, windows)
        surprise = -jnp.take_along_axis(log_probability, batch["pattern"][:, None], axis=-1)[:, 0]
        right = log_probability.argmax(-1) == batch["pattern"]
        metrics = {"surprise": Mean.of(surprise), "right": Mean.of(right.astype(jnp.float32))}
        return surprise.mean(), (stats, metrics)

    def evaluate(self, state) -> dict[str, float]:
        """Errors, correlations and jitter, closed and open set."""
        return {
            f"{set_}/{source}/{name}": value
            for set_, clips in (("closed", self.closed), ("open", self.open))
            for source in clips
            for name, value in judge(self, state.variables, clips[source]).items()
        }

    def export(self, state, folder: Path) -> None:
        """Writes `folder/fap.safetensors`: perceptron, FAP vectors of the patterns, the usual scale of the features."""
        scales = [c.scale for clips in self.closed.values() for c in clips]
        scale = {key: np.mean([getattr(s, key) for s in scales], 0) for key in mixed_features.Scale._fields}
        weights.save(
            folder / "fap.safetensors",
            weights.Weights(
                variables={**state.variables, "patterns": {"centres": self.centres}, "scale": scale},
                name="fap",
                config=weights.config_values(self.network.config),
                licence="Apache-2.0",
                note="FACEGOOD-Audio2Face (MIT) and the synthetic corpus, as far as given; see configs/fap.py.",
            ),
            half=True,
        )


def clips_of(config: Config) -> Sets:
    """Closed and open sets by source."""
    closed, open_ = {}, {}
    if config.facegood:
        for set_, names in ((closed, FACEGOOD_TRAIN), (open_, FACEGOOD_TEST)):
            files = [(config.facegood / f"{name}.flac", config.facegood / f"{name}.npz") for name in names]
            set_["facegood"] = [fap_clips.animated(*pair) for pair in files]
    if config.corpus:
        for set_, split, most in ((closed, "train", config.clips), (open_, "validation", _CLIPS)):
            records = corpus.read(config.corpus, split)
            set_["corpus"] = [fap_clips.synthetic(records[k]) for k in range(min(most, len(records)))]
    return closed, open_


def find_patterns(vectors: list[np.ndarray], config: isodata.Config) -> np.ndarray:
    """Patterns [p, 68] of what speech moves, from as many FAP vectors of each source; all else rests."""
    chosen = [v[:: -(-len(v) // _OBJECTS), fap_mouth.SPOKEN] for v in vectors]
    found = isodata.found(isodata.isodata(jnp.asarray(np.concatenate(chosen)), config))
    centres = np.zeros((len(found), vectors[0].shape[1]), np.float32)
    centres[:, fap_mouth.SPOKEN] = found
    return centres


def pattern_of(faps: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The number of the pattern that is nearest to each FAP vector."""
    spoken = fap_mouth.SPOKEN
    return np.asarray(isodata.nearest(jnp.asarray(faps[:, spoken]), jnp.asarray(centres[:, spoken])))


def judge(task: Task, variables, clips: list[fap_clips.FapClip]) -> dict[str, float]:
    """How well the clips, as one long track, are animated: by each way of turning probabilities into movement."""
    clips = clips[:_CLIPS]
    windows = jnp.asarray(np.concatenate([c.windows for c in clips]))
    truth = jnp.asarray(np.concatenate([c.faps for c in clips]))
    tracks = animate(task.network, variables, jnp.asarray(task.centres), windows)
    pattern = jnp.asarray(pattern_of(np.asarray(truth), task.centres))
    spoken = fap_mouth.SPOKEN
    numbers = {
        "spread": fap_error.spread(truth[:, spoken]).value(),
        "patterns/error": fap_error.squared_error(
            jnp.asarray(task.centres)[pattern][:, spoken], truth[:, spoken]
        ).value(),
        "jitter": jitter.jitter(fap_mouth.lip_opening(truth), clips[0].fps).value(),
    }
    for name, track in tracks.items():
        lips, true_lips = fap_mouth.lip_opening(track), fap_mouth.lip_opening(truth)
        numbers |= {
            f"{name}/error": fap_error.squared_error(track[:, spoken], truth[:, spoken]).value(),
            f"{name}/lips": lip_correlation.correlation(lips, true_lips),
            f"{name}/jaw": lip_correlation.correlation(track[:, fap_mouth.JAW], truth[:, fap_mouth.JAW]),
            f"{name}/jitter": jitter.jitter(lips, clips[0].fps).value(),
        }
    return {name: float(value) for name, value in numbers.items()}


@functools.partial(jax.jit, static_argnums=0)
def animate(network, variables, centres, windows) -> dict[str, jax.Array]:
    """FAPs [t, 68] of windows in a row: of the likeliest pattern, of all by their probability; plain and smoothed."""
    log_probability = network.apply(variables, windows)
    likeliest = fap_perceptron.likeliest(log_probability, centres)
    expected = fap_perceptron.expected(log_probability, centres)
    return {
        "likeliest": likeliest,
        "likeliest smooth": fap_smoothing.smooth(likeliest, 2),
        "expected": expected,
        "expected smooth": fap_smoothing.smooth(expected, 1),
    }
