"""HuBERT from nothing: small enough for two cores, or the published base and large networks (--size) for clusters.

First on clusters of MFCC, then on those of its own features.

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

--size base and --size large have not been trained here, only compiled for TPUs: docs/planning.md says what they need.
"""

import dataclasses
import functools
import hashlib
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from configs import wav2vec2
from jaxtalk.audio import mfcc
from jaxtalk.data import frame_targets, host_shares, sound_files, speech_crops
from jaxtalk.io import weights
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import hubert_pretrain, kmeans, speech_encoder_flops, time_mask
from jaxtalk.models.speech_encoder import Config as EncoderConfig
from jaxtalk.models.speech_encoder import SpeechEncoder, normalise
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

_BLOCK = 160_000  # samples to whose multiples recordings are padded, so that few lengths are compiled
# Fields of `Config` that are not given. Base and large: Hsu et al., 2021, sec. IV, table II, and the authors' configs
# in fairseq (hubert_base_librispeech, hubert_large_librivox); batches of 32 GPUs x 87.5 s and of 128 x 56.25 s.
SIZES = {
    "small": dict(
        width=128, layers=4, conv_width=64, projection=128, clusters=100, unmasked=0.5, dtype="float32",
        seconds=2.56, batch=16, steps=2000, rate=1e-3, clip=1.0,
    ),
    "base": dict(
        width=768, layers=12, conv_width=512, projection=256, clusters=100, unmasked=0.0, dtype="bfloat16",
        seconds=wav2vec2.BASE_PIECE, batch=192, steps=400_000, rate=5e-4, clip=10.0,
    ),
    "large": dict(
        width=1024, layers=24, conv_width=512, projection=768, clusters=500, unmasked=0.0, dtype="bfloat16",
        seconds=wav2vec2.BASE_PIECE, batch=512, steps=400_000, rate=1.5e-3, clip=1.0,
    ),
}  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(wav2vec2.Pretraining):
    """Trains a speech encoder to say to which cluster hidden frames belong. Fields that are None are as in `SIZES`."""

    teacher: Path | None = None
    """Encoder whose features are clustered, instead of MFCC."""
    teacher_layer: int = 3
    """Which layer's."""
    clusters: int | None = None
    unmasked: float | None = None
    """Weight of the loss on frames that are not hidden, of 1 for both (1 - alpha in eq. 3)."""
    clustered: int = 100_000
    """Frames that k-means sees."""

    def filled(self) -> "Config":
        """With a number in every field."""
        return wav2vec2.filled(self, SIZES)

    def encoder(self) -> EncoderConfig:
        """The network of a filled config."""
        return wav2vec2.encoder(self)

    def experiment(self) -> Experiment:
        config = self.filled()
        task = Task(config)
        return Experiment(
            name="hubert",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.99 if self.size == "small" else 0.999),
            data=lambda: task.crops.stream(config.batch, self.seed),
            steps=config.steps,
            evaluate=wav2vec2.prober(self, task.encoder),
            export=lambda state, folder: wav2vec2.save(
                folder / "hubert.safetensors", "hubert", task.encoder, state.variables["params"]["encoder"]
            ),
            seed=self.seed,
            evaluate_every=max(1, config.steps // 2),
            batch=task.batch,
            flops=task.flops,
        )


class Task:
    """The pure functions of one run, and pieces of recordings with their targets once they are asked for."""

    def __init__(self, config: Config):
        """`config`: filled."""
        self.config = config
        self.encoder = config.encoder()
        self.network = hubert_pretrain.Hubert(
            hubert_pretrain.Config(encoder=self.encoder, clusters=config.clusters, width=config.projection)
        )
        self.optimizer = wav2vec2.optimizer(config)
        self.length = int(config.seconds * speech_crops.RATE)
        self.frames = self.encoder.frames(self.length)

    @functools.cached_property
    def crops(self) -> speech_crops.SpeechCrops:
        recordings = wav2vec2.recordings(self.config)
        return speech_crops.SpeechCrops(recordings, self.length, targets(self.config, recordings))

    @property
    def batch(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Shapes of what `crops` give."""
        rows = self.config.batch
        return {
            "speech": jax.ShapeDtypeStruct((rows, self.length), jnp.float32),
            "target": jax.ShapeDtypeStruct((rows, self.frames), jnp.int32),
        }

    @property
    def flops(self) -> float:
        """Of a step, as the model needs them."""
        return float(self.config.batch * speech_encoder_flops.hubert(self.network.config, self.length).train)

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


def targets(config: Config, recordings) -> frame_targets.FrameTargets:
    """The cluster of each frame of each recording: worked out once, then read from disk.

    They are made anew when a recording, the teacher's file or layer, or a number that clusters depend on has changed.
    """
    made_of = {
        "version": 1,
        "recordings": recordings.identity,
        "teacher": config.teacher and hashlib.sha256(config.teacher.read_bytes()).hexdigest(),
        "layer": config.teacher and config.teacher_layer,
    } | {name: getattr(config, name) for name in ("clusters", "clustered", "seed")}
    text = json.dumps(made_of, indent=1)
    name = f"targets-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    folder = host_shares.folder((config.kept or (config.recordings or config.corpus) / sound_files.KEPT) / name)
    features = describer(config)
    host_shares.make([folder / "made_of.json"], lambda _, path: path.write_text(text + "\n"), "a note")
    host_shares.make(
        [folder / "centres.npz"], lambda _, path: found_centres(config, recordings, features, path), "clusters"
    )
    with np.load(folder / "centres.npz") as found:
        centres, scale = jnp.asarray(found["centres"]), jnp.asarray(found["scale"])
    nearest = jax.jit(lambda wave, length: kmeans.assign(features(wave, length) / scale[None], centres)[0])
    return frame_targets.label(folder, recordings, functools.partial(_told, nearest))


def found_centres(config: Config, recordings, features, path: Path) -> None:
    """Clusters of a sample of frames; MFCC are brought to one variance first."""
    rows = frame_targets.sample(recordings, functools.partial(_told, features), config.clustered, config.seed)
    scale = rows.std(0) if config.teacher is None else np.ones(rows.shape[1], np.float32)
    centres, _ = kmeans.fit(jax.random.key(config.seed), jnp.asarray(rows / scale), clusters=config.clusters)
    with path.open("wb") as file:
        np.savez(file, centres=centres, scale=scale)


def describer(config: Config):
    """A function from a wave [1 n] and its own length [1] to features [t d] at the encoder's frames."""
    if config.teacher is None:
        return _cepstra
    stored = weights.load(config.teacher)
    teacher = EncoderConfig.of(stored.config)

    @jax.jit
    def hidden(wave, lengths):
        aux = SpeechEncoder(teacher).apply(stored.variables, normalise(wave, lengths), lengths)[1]
        return aux["layers"][config.teacher_layer - 1][0]

    return hidden


@jax.jit
def _cepstra(wave, lengths):
    """MFCC with their slopes and slopes of slopes, every 20 ms."""
    del lengths
    first = mfcc.mfcc(wave, range_db=None)
    second = mfcc.deltas(first)
    return jnp.concatenate([first, second, mfcc.deltas(second)], axis=-1)[0, 1::2]


def _told(function, piece) -> np.ndarray:
    """What a function of a padded wave says of each frame of a piece."""
    wave = np.pad(piece.astype(np.float32) / 32768, (0, -len(piece) % _BLOCK))
    return np.asarray(function(wave[None], np.array([len(piece)])))[: speech_crops.frames(len(piece))]
