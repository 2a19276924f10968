"""HuBERT from nothing, small enough for two cores: first on clusters of MFCC, then on those of its own features.

jaxtalk corpus data/corpus --clips 1600
jaxtalk train hubert --corpus data/corpus
jaxtalk train hubert --corpus data/corpus --teacher runs/hubert/hubert.safetensors --folder runs/hubert-2

First round, 2000 clips, --steps 1400: 15 CPU minutes on two cores that others kept busy (44 minutes; 0.3 s a step in
quiet moments). Loss on hidden frames from 4.54 (steps 1 to 50) to 3.50 (last 50), right 0.04 to 0.18. Phonemes of the
100 validation clips that a linear probe finds from frozen features (trained on 150 clips; one seed):

    commonest 0.188   log-mel 0.373   log-mel of nine frames 0.406
    layer 1 to 4, untrained but for 8 steps 0.23 to 0.24   after 700 steps 0.405 0.419 0.420 0.419
    after 1400 0.425 0.427 0.429 0.428

Streamed with `speech_stream.LIVE`, two real recordings (8.0 and 5.5 s): relative error 0.19 and 0.10 with statistics of
the whole recording, 0.34 and 0.31 with those of the sound so far.

Second round, --steps 1400, 13 CPU minutes: loss on hidden frames 3.22, right 0.20; phonemes 0.439 0.437 0.435 0.432.
"""

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from configs import wav2vec2
from jaxtalk.audio import mfcc
from jaxtalk.data import speech_crops
from jaxtalk.io import weights
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import hubert_pretrain, kmeans, time_mask
from jaxtalk.models.speech_encoder import Config as EncoderConfig
from jaxtalk.models.speech_encoder import SpeechEncoder, normalise
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

_BLOCK = 160_000  # samples to whose multiples recordings are padded, so that few lengths are compiled


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Trains a small speech encoder to say to which cluster hidden frames belong."""

    corpus: Path = Path("data/corpus")
    """Folder that `jaxtalk corpus` wrote; it trains on its speech, and probes know its phonemes."""
    recordings: Path | None = None
    """Folder of recordings to train on instead."""
    teacher: Path | None = None
    """Encoder whose features are clustered, instead of MFCC."""
    teacher_layer: int = 3
    """Which layer's."""
    clusters: int = 100
    unmasked: float = 0.5
    """Weight of the loss on frames that are not hidden, of 1 for both (1 - alpha in eq. 3)."""
    clustered: int = 100_000
    """Frames that k-means sees."""
    width: int = 128
    layers: int = 4
    conv_width: int = 64
    seconds: float = 2.56
    """Length of a piece of speech."""
    batch: int = 16
    steps: int = 2000
    rate: float = 1e-3
    probed: int = 150
    """Clips that probes are trained on."""
    seed: int = 0

    def experiment(self) -> Experiment:
        task = Task(self)
        return Experiment(
            name="hubert",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.99),
            data=lambda: task.crops.stream(self.batch, self.seed),
            steps=self.steps,
            evaluate=lambda state: wav2vec2.probe(self, task.encoder, state.variables["params"]["encoder"]),
            export=lambda state, folder: wav2vec2.save(
                folder / "hubert.safetensors", "hubert", task.encoder, state.variables["params"]["encoder"]
            ),
            seed=self.seed,
            evaluate_every=max(1, self.steps // 2),
        )


class Task:
    """The recordings in memory with their targets, and the pure functions of one run."""

    def __init__(self, config: Config):
        self.config = config
        self.encoder = wav2vec2.small(config)
        self.network = hubert_pretrain.Hubert(
            hubert_pretrain.Config(encoder=self.encoder, clusters=config.clusters, width=config.width)
        )
        self.optimizer = wav2vec2.optimizer(config)
        self.length = int(config.seconds * speech_crops.RATE)
        self.frames = self.encoder.frames(self.length)
        recordings = wav2vec2.recordings(config)
        self.crops = speech_crops.SpeechCrops(recordings, self.length, targets(config, recordings))

    def init(self, rng):
        wave, masked = jnp.zeros((1, self.length)), jnp.zeros((1, self.frames), bool)
        return train_state.create(self.network.init(rng, wave, masked, train=False), self.optimizer, rng)

    def loss(self, params, stats, batch, rng):
        hide, dropout = jax.random.split(rng)
        masked = time_mask.spans(hide, jnp.ones(batch["target"].shape, bool), probability=0.08)
        logits = self.network.apply(
            {"params": params}, normalise(batch["speech"]), masked, train=True, rngs={"dropout": dropout}
        )
        hidden = masked.astype(jnp.float32)
        error = optax.softmax_cross_entropy_with_integer_labels(logits, batch["target"])
        right = (jnp.argmax(logits, axis=-1) == batch["target"]).astype(jnp.float32)
        terms = {
            "masked": Mean.of(error, hidden),
            "unmasked": Mean.of(error, 1 - hidden),
            "right": Mean.of(right, hidden),
        }
        share = self.config.unmasked
        return (1 - share) * terms["masked"].value() + share * terms["unmasked"].value(), (stats, terms)


def targets(config: Config, recordings: list) -> list[np.ndarray]:
    """The cluster of each frame of each recording."""
    features = list(map(describer(config), recordings))
    rows = np.concatenate(features)
    chosen = np.random.default_rng(config.seed).permutation(len(rows))[: config.clustered]
    scale = rows[chosen].std(0) if config.teacher is None else np.float32(1)
    points = jnp.asarray(rows[chosen] / scale)
    centres, _ = kmeans.fit(jax.random.key(config.seed), points, clusters=config.clusters)
    found = np.asarray(kmeans.assign(jnp.asarray(rows / scale), centres)[0], np.int32)
    return np.split(found, np.cumsum([len(part) for part in features])[:-1])


def describer(config: Config):
    """A function from a recording to its features [t, d] at the encoder's frames."""
    if config.teacher is None:
        return functools.partial(_described, _cepstra)
    stored = weights.load(config.teacher)
    teacher = EncoderConfig.of(stored.config)

    @jax.jit
    def hidden(wave, lengths):
        aux = SpeechEncoder(teacher).apply(stored.variables, normalise(wave, lengths), lengths)[1]
        return aux["layers"][config.teacher_layer - 1][0]

    return functools.partial(_described, hidden)


@jax.jit
def _cepstra(wave, lengths):
    """MFCC with their slopes and slopes of slopes, every 20 ms."""
    del lengths
    first = mfcc.mfcc(wave, range_db=None)
    second = mfcc.deltas(first)
    return jnp.concatenate([first, second, mfcc.deltas(second)], axis=-1)[0, 1::2]


def _described(features, recording) -> np.ndarray:
    wave = np.pad(recording.astype(np.float32) / 32768, (0, -len(recording) % _BLOCK))
    frames = (len(recording) - speech_crops.REACH) // speech_crops.HOP + 1
    return np.asarray(features(jnp.asarray(wave[None]), jnp.array([len(recording)])))[:frames]
