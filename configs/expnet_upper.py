"""ExpNet's upper layers, trained on: the lower ones stay, and what they make of every frame is computed once.

    jaxtalk train expnet_upper --start runs/expnet/expnet.safetensors --corpus data/corpus --facegood DIR

Seven eighths of a training step's time go into layers 0 to 6, which hear little more than edges. Without them a batch
four times as large takes half the time.

Nine minutes of features (5 GB of memory for 1600 clips), then 10,000 steps of 320 frames in 23 minutes on two CPU
cores. Reached on held-out sentences: lip error 0.46, closures kept 0.72; FACEGOOD 3_15 jaw 0.63, after 0.65 before
this stage: FACEGOOD's three recordings are learnt by heart (0.97 on one of them).
"""

import dataclasses
import functools
from pathlib import Path

import flax.linen as nn
import grain.python as grain
import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from configs import expnet
from jaxtalk.data import host_rows, mel_augment, phonemes, speech_frames
from jaxtalk.face.arkit import INDEX, NAMES
from jaxtalk.io import weights
from jaxtalk.nn import mel_encoder
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

BLOCK = 320  # frames that the lower layers hear at once
Part = dict[str, np.ndarray]  # rows of one source: [variation, frame, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(expnet.Config):
    """Trains the upper layers of an ExpNet on the corpus and FACEGOOD."""

    start: Path = Path("runs/expnet/expnet.safetensors")
    """What `jaxtalk train expnet` wrote."""
    first: int = 7
    """The first of the encoder's layers that is trained."""
    variations: int = 2
    """How many times each frame is heard through another throat, room and microphone, besides as it is."""
    steps: int = 10000
    batch: int = 320
    rate: float = 1e-3
    dropout: float = 0.1

    def experiment(self) -> Experiment:
        task = Task(self)
        parts = [task.features(source, self.variations) for source, _ in task.sources]
        return Experiment(
            name="expnet_upper",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.998),
            data=lambda: stream(parts, [share for _, share in task.sources], self.batch, self.seed),
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
            log_every=200,
            evaluate_every=4000,
            save_every=2000,
        )


class Upper(nn.Module):
    """The end of ExpNet: features of layer `first` - 1, the portrait's expression if any, and blink to expression."""

    width: int
    first: int
    dropout: float

    @nn.compact
    def __call__(self, features, blink, portrait=None, *, train: bool):
        """Expression and the embedding of the sound."""
        x = mel_encoder.layers(features, self.width, train=train, first=self.first)
        x = x.reshape(len(x), -1)
        heard = nn.Dropout(self.dropout, deterministic=not train)(x)
        seen = [heard, blink[:, None]] if portrait is None else [heard, portrait, blink[:, None]]
        moved = nn.Dense(len(NAMES), name="mapping")(jnp.concatenate(seen, axis=-1))
        return moved, x


class Task(expnet.Task):
    """The task of training the upper layers."""

    def __init__(self, config: Config):
        self.start = weights.load(config.start).variables
        super().__init__(config)
        self.upper = Upper(config.width, config.first, config.dropout)
        self.portrait = 16 * config.width + np.arange(len(NAMES))  # the mapping's inputs from it
        self.trained = [f"layer_{i}" for i in range(config.first, mel_encoder.DEPTH)]

    def features(self, frames: speech_frames.SpeechFrames, variations: int, every: int = 1) -> Part:
        """What the fixed layers make of the frames, plain and varied; of every `every`-th frame."""
        rng = np.random.default_rng(self.config.seed)
        rows = np.arange(0, len(frames), every)
        blocks = [rows[i : i + BLOCK] for i in range(0, len(rows), BLOCK)]
        part: Part = {}
        for variation in range(variations + 1):
            for number, block in enumerate(tqdm(blocks, desc="features", disable=None)):
                batch = frames.frames(block, rng if variation else None)
                windows = np.pad(batch.pop("window"), ((0, BLOCK - len(block)), (0, 0), (0, 0)))
                key = jax.random.key(variation * len(blocks) + number)
                batch["features"] = np.asarray(self._lower(self.start, windows, key, varied=variation > 0))
                for name, values in batch.items():
                    if name not in part:
                        part[name] = np.empty((variations + 1, len(rows), *values.shape[1:]), values.dtype)
                    part[name][variation, number * BLOCK :][: len(block)] = values[: len(block)]
        return part

    @functools.partial(jax.jit, static_argnums=0, static_argnames="varied")
    def _lower(self, variables, windows, rng, varied: bool):
        windows = mel_augment.augment(rng, windows) if varied else windows
        still, blink = jnp.zeros((len(windows), len(NAMES))), jnp.zeros(len(windows))
        last = f"layer_{self.config.first - 1}"
        _, seen = self.network.apply(
            variables,
            windows,
            still,
            blink,
            capture_intermediates=lambda module, _: module.name == last,
            mutable="intermediates",
        )
        return seen["intermediates"]["encoder"][last]["__call__"][0].astype(jnp.float16)

    def init(self, rng):
        mean, spread = self.scale
        encoder, mapping = self.start["params"]["encoder"], self.start["params"]["mapping"]
        inputs = 16 * self.config.width
        kernel = jnp.delete(mapping["kernel"], self.portrait, axis=0) / spread[None]
        params = {name: encoder[name] for name in self.trained}
        params["mapping"] = {"kernel": kernel, "bias": (mapping["bias"] - mean) / spread}
        stats = {name: self.start["batch_stats"]["encoder"][name] for name in self.trained}
        params = {"upper": params, "phoneme": expnet.linear(rng, inputs, len(phonemes.LETTERS))}
        return train_state.create({"params": params, "batch_stats": stats}, self.optimizer, rng)

    def predict(self, params, stats, batch, rng):
        (moved, embedding), updates = self.upper.apply(
            {"params": params["upper"], "batch_stats": stats},
            batch["features"].astype(jnp.float32),
            batch["expression"][:, INDEX["eyeBlinkLeft"]],
            train=True,
            mutable="batch_stats",
            rngs={"dropout": rng},
        )
        return moved, expnet.dense(params["phoneme"], embedding), updates["batch_stats"]

    def folded(self, variables):
        """All of ExpNet: the fixed layers, the trained ones, and a mapping that adds the portrait's expression."""
        mean, spread = self.scale
        params, start = variables["params"]["upper"], self.start["params"]
        kernel = jnp.insert(params["mapping"]["kernel"] * spread[None], self.portrait[0], np.eye(len(NAMES)), axis=0)
        mapping = {"kernel": kernel, "bias": params["mapping"]["bias"] * spread + mean}
        encoder = {**start["encoder"], **{name: params[name] for name in self.trained}}
        stats = {**self.start["batch_stats"]["encoder"], **variables["batch_stats"]}
        return {"params": {"encoder": encoder, "mapping": mapping}, "batch_stats": {"encoder": stats}}


def stream(parts: list[Part], shares: list[float], batch: int, seed: int) -> grain.MapDataset:
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
    return host_rows.batches(grain.MapDataset.mix(datasets, shares), batch)
