"""ExpNet meets people: its last layers learn tracked clips, beside what it knows from the corpus and FACEGOOD.

    jaxtalk train expnet_people --start runs/expnet/expnet.safetensors --corpus data/corpus --facegood DIR --clips DIR

Twenty-three clips are three minutes, soon learnt by heart (with the last four layers leaving six groups out gave 0.41,
with the last two 0.45). So only the last two and the mapping move, for 400 steps, on features computed once in five
variations of the sound.

Ten seconds of training after a minute of features. Leaving one clip out: 0.46, smoothed 0.50 (docs/lip_motion.md).
"""

import dataclasses
import functools
from pathlib import Path

import flax.linen as nn
import grain.python as grain
import jax
import jax.numpy as jnp
import numpy as np

from configs import expnet
from jaxtalk.data import clip_alignment, mel_augment, speech_frames
from jaxtalk.face.arkit import NAMES
from jaxtalk.io import weights
from jaxtalk.metrics.mean import Mean
from jaxtalk.nn.mel_encoder import NormedConv
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

FIRST = 11  # the first of the encoder's layers that is trained
BLOCK = 128
SHARES = (0.1, 0.1, 1.0)  # of corpus, FACEGOOD and people in a batch
REMEMBERED = 5000  # frames of the corpus and of FACEGOOD


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(expnet.Config):
    """Trains the last layers of an ExpNet on tracked clips of people."""

    start: Path = Path("runs/expnet/expnet.safetensors")
    """What `jaxtalk train expnet` wrote."""
    variations: int = 4
    steps: int = 400
    batch: int = 96
    rate: float = 1e-3
    dropout: float = 0.3

    def experiment(self) -> Experiment:
        task = People(self)
        parts = task.all_features()
        parts[-1] = task.aligned(parts[-1], without=set())
        return Experiment(
            name="expnet_people",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.98),
            data=lambda: stream(parts, [share for _, share in task.sources], self.batch, self.seed),
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
        )


class Upper(nn.Module):
    """The end of ExpNet: features [b, 3, 3, 8 width] to expression, without portrait and blink."""

    width: int
    dropout: float

    @nn.compact
    def __call__(self, features, *, train: bool):
        x = NormedConv(16 * self.width, 3, name="layer_11")(features, train=train)
        x = NormedConv(16 * self.width, 1, name="layer_12")(x, train=train)
        x = nn.Dropout(self.dropout, deterministic=not train)(x.reshape(len(x), -1))
        return nn.Dense(len(NAMES), name="mapping")(x)


class People(expnet.Task):
    """The task of training the upper layers."""

    def __init__(self, config: Config):
        self.start = weights.load(config.start).variables
        super().__init__(config)
        self.sources = [(frames, share) for (frames, _), share in zip(self.sources, SHARES, strict=True)]
        self.ridge = clip_alignment.Ridge(self.people)
        self.upper = Upper(config.width, config.dropout)

    def features(self, frames: speech_frames.SpeechFrames, people: bool) -> dict[str, np.ndarray]:
        """What the fixed layers make of the frames, plain and varied: rows [variation, frame, ...].

        All frames of tracked people; of the other sources, which are only there to be remembered, a sample.
        """
        rng = np.random.default_rng(self.config.seed)
        rows = np.arange(0, len(frames), 1 if people else -(-len(frames) // REMEMBERED))
        out = []
        for variation in range((self.config.variations if people else 1) + 1):
            items = [frames.frame(i, rng if variation else None) for i in rows]
            batch = {key: np.stack([item[key] for item in items]) for key in items[0]}
            windows, batch["features"] = batch.pop("window"), []
            for i in range(0, len(rows), BLOCK):
                block = jnp.asarray(windows[i : i + BLOCK])
                block = jnp.pad(block, ((0, BLOCK - len(block)), (0, 0), (0, 0)))
                key = jax.random.fold_in(jax.random.key(variation), i)
                made = self._lower(self.start, block, key, varied=variation > 0)
                batch["features"].append(np.asarray(made)[: len(windows) - i])
            out.append(batch | {"features": np.concatenate(batch["features"])})
        return {key: np.stack([batch[key] for batch in out]) for key in out[0]}

    def all_features(self) -> list[dict[str, np.ndarray]]:
        """Those of each source; the last source are the people."""
        last = len(self.sources) - 1
        return [self.features(source, i == last) for i, (source, _) in enumerate(self.sources)]

    def aligned(self, part: dict[str, np.ndarray], without: set[int]) -> dict[str, np.ndarray]:
        """The people's rows with the lips moved to the sound they belong to, found without some of the clips."""
        lags, place, first = clip_alignment.lags(self.ridge, without), [], 0
        for recording, lag in zip(self.people, lags, strict=True):
            count = len(recording.opening)
            place.append(first + np.clip(np.arange(count) + lag, 0, count - 1))
            first += count
        place = np.concatenate(place)
        return part | {key: part[key][:, place] for key in ("expression", "opening")}

    @functools.partial(jax.jit, static_argnums=0, static_argnames="varied")
    def _lower(self, variables, windows, rng, varied: bool):
        windows = mel_augment.augment(rng, windows) if varied else windows
        still, blink = jnp.zeros((len(windows), len(NAMES))), jnp.zeros(len(windows))
        _, seen = self.network.apply(
            variables,
            windows,
            still,
            blink,
            capture_intermediates=lambda module, _: module.name == f"layer_{FIRST - 1}",
            mutable="intermediates",
        )
        return seen["intermediates"]["encoder"][f"layer_{FIRST - 1}"]["__call__"][0]

    def init(self, rng):
        mean, spread = self.scale
        encoder, mapping = self.start["params"]["encoder"], self.start["params"]["mapping"]
        trained = [f"layer_{i}" for i in range(FIRST, 13)]
        kernel = mapping["kernel"][: 16 * self.config.width] / spread[None]
        params = {name: encoder[name] for name in trained}
        params["mapping"] = {"kernel": kernel, "bias": (mapping["bias"] - mean) / spread}
        stats = {name: self.start["batch_stats"]["encoder"][name] for name in trained}
        return train_state.create({"params": params, "batch_stats": stats}, self.optimizer, rng)

    def loss(self, params, stats, batch, rng):
        moved, updates = self.upper.apply(
            {"params": params, "batch_stats": stats},
            batch["features"],
            train=True,
            mutable="batch_stats",
            rngs={"dropout": rng},
        )
        mean, spread = self.scale
        terms = self.terms(moved * spread[None] + mean[None], None, batch)
        scale = {"coefficients": 0.5, "lip_points": 0.5, "opening": 1.0, "closure": 0.5}
        metrics = {name: Mean.of(*terms[name]) for name in scale}
        total = sum(scale[name] * metrics[name].sum for name in scale) / len(moved)
        return total, (updates["batch_stats"], metrics)

    def folded(self, variables):
        """All of ExpNet: the fixed layers, the trained ones, and a mapping that adds the portrait's expression."""
        mean, spread = self.scale
        params, start = variables["params"], self.start["params"]
        count = 16 * self.config.width
        kernel = start["mapping"]["kernel"].at[:count].set(params["mapping"]["kernel"] * spread[None])
        mapping = {"kernel": kernel, "bias": params["mapping"]["bias"] * spread + mean}
        encoder = {**start["encoder"], **{name: params[name] for name in params if name != "mapping"}}
        stats = {**self.start["batch_stats"]["encoder"], **variables["batch_stats"]}
        return {"params": {"encoder": encoder, "mapping": mapping}, "batch_stats": {"encoder": stats}}


def stream(parts: list[dict[str, np.ndarray]], shares: list[float], batch: int, seed: int) -> grain.MapDataset:
    """Endless batches from precomputed rows, each source with its share."""

    def row(part, index):
        frames = part["features"].shape[1]
        return {key: values[index // frames, index % frames] for key, values in part.items()}

    datasets = [
        grain.MapDataset.range(part["features"].shape[0] * part["features"].shape[1])
        .seed(seed + i)
        .shuffle()
        .repeat()
        .map(functools.partial(row, part))
        for i, part in enumerate(parts)
    ]
    return grain.MapDataset.mix(datasets, shares).batch(batch)
