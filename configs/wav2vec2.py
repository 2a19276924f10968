"""wav2vec 2.0 from nothing: small enough for two cores, or the published base and large networks (--size) for clusters.

jaxtalk corpus data/corpus --clips 2000
jaxtalk train wav2vec2 --corpus data/corpus --steps 5000

5000 steps in about an hour of CPU time on two cores that others kept busy (0.3 s a step in quiet moments). Contrastive
loss from 4.62 (100 steps: chance among 101) to 3.97, right 0.02 to 0.13. Phonemes of the 100 validation clips that a
linear probe finds from frozen features (trained on 150 clips; one seed):

    commonest 0.188   log-mel 0.373   log-mel of nine frames 0.406
    layers 1 to 4, after 2500 steps 0.366 0.369 0.369 0.369   after 5000 0.380 0.382 0.381 0.381

So it passes log-mel of a frame, not of nine, after three times as many steps as HuBERT took to pass both. With one norm
only in the feature encoder, as Base has, it began to learn after 350 steps instead of 200, and 1400 steps, with their
own decay of the rate, reached 0.318 at the most.

--size base and --size large have not been trained here. The authors' loss for base also has 10 times the mean square of
what the convolutions give, which is not here.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtalk.audio import mfcc
from jaxtalk.data import corpus, corpus_speech, sound_files, speech_crops
from jaxtalk.data.phonemes import LETTERS
from jaxtalk.io import weights
from jaxtalk.losses import contrastive
from jaxtalk.metrics import linear_probe
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import speech_encoder_flops, time_mask, wav2vec2_pretrain
from jaxtalk.models.speech_encoder import BASE, LARGE, SpeechEncoder, normalise
from jaxtalk.models.speech_encoder import Config as EncoderConfig
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

SMALL = EncoderConfig(
    width=128, layers=4, heads=4, hidden=512, conv_widths=(64,) * 7, position_window=32, position_groups=4,
    norm_first=True, dropout=0.0,
)  # fmt: skip
ENCODERS = {"small": SMALL, "base": BASE, "large": LARGE}
PROBED = 64000  # samples of each clip that probes hear: 4 s
BASE_PIECE, LARGE_PIECE = 15.365, 20.485  # seconds: 768 and 1024 frames, multiples of the 128 lanes of TPUs
# Fields of `Config` that are not given. Base and large: Baevski et al., 2020, sec. 4.2 (pieces of 15.6 and 20 s,
# batches of 1.6 and 2.7 h) and the authors' configs in fairseq (wav2vec2_base_librispeech, wav2vec2_large_librivox).
# Large has the paper's rate and steps for 60,000 h; the authors' config has 0.005 and a million, warming up for 3.2 %.
BASE_TRAINS = {"dropout": 0.1, "attention_dropout": 0.1, "layer_drop": 0.05, "conv_gradient": 0.1}  # HuBERT too
SIZES = {
    "small": dict(
        width=128, layers=4, conv_width=64, projection=128, entries=64, coldest=0.5, dtype="float32",
        seconds=2.56, batch=16, steps=5000, rate=1e-3, clip=1.0,
    ),
    "base": dict(
        width=768, layers=12, conv_width=512, projection=256, entries=320, coldest=0.5, dtype="bfloat16",
        seconds=BASE_PIECE, batch=384, steps=400_000, rate=5e-4, clip=0.0,
    ),
    "large": dict(
        width=1024, layers=24, conv_width=512, projection=768, entries=320, coldest=0.1, dtype="bfloat16",
        seconds=LARGE_PIECE, batch=512, steps=600_000, rate=3e-4, clip=0.0,
    ),
}  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pretraining:
    """What both ways of pretraining a speech encoder can be told. Fields that are None are as in their `SIZES`."""

    size: Literal["small", "base", "large"] = "small"
    """small: for two cores; base: 95 million parameters; large: 317 million, both as published."""
    corpus: Path = Path("data/corpus")
    """Folder that `jaxtalk corpus` wrote; it trains on its speech, and probes know its phonemes."""
    recordings: Path | None = None
    """Folder of recordings to train on instead, of any size: docs/data.md."""
    kept: Path | None = None
    """Folder for what is found out once about recordings, targets too; if not given, .jaxtalk in theirs."""
    width: int | None = None
    layers: int | None = None
    conv_width: int | None = None
    projection: int | None = None
    """Of what is compared: features with clusters or, as wide, contexts with codes."""
    dtype: Literal["float32", "bfloat16"] | None = None
    """In which the network computes; parameters are float32."""
    remat: Literal["nothing", "between", "layers"] = "nothing"
    """What gradients compute again, to save memory: what lies between matrix products (a few per cent more to do), or
    whole layers (a third more)."""
    seconds: float | None = None
    """Length of a piece of speech."""
    batch: int | None = None
    """Pieces in a step, on all devices."""
    steps: int | None = None
    rate: float | None = None
    clip: float | None = None
    """Largest norm of a gradient; 0 for any."""
    probed: int = 150
    """Clips that probes are trained on."""
    seed: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Pretraining):
    """Trains a speech encoder to tell codes of hidden frames from others'. Fields that are None are as in `SIZES`."""

    entries: int | None = None
    """Of each of the two codebooks."""
    distractors: int = 100
    diversity: float = 0.1
    """Weight of the diversity loss."""
    coldest: float | None = None
    """Temperature of the quantiser at the end; it begins at 2."""

    def experiment(self) -> Experiment:
        config = filled(self, SIZES)
        task = Task(config)
        return Experiment(
            name="wav2vec2",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.99 if self.size == "small" else 0.999),
            data=task.data,
            steps=config.steps,
            evaluate=prober(self, task.encoder),
            export=lambda state, folder: save(
                folder / "wav2vec2.safetensors", "wav2vec2", task.encoder, state.variables["params"]["encoder"]
            ),
            seed=self.seed,
            evaluate_every=max(1, config.steps // 2),
            batch=task.batch,
            flops=task.flops,
        )


class Task:
    """The pure functions of one run, and pieces of recordings once they are asked for."""

    def __init__(self, config: Config):
        """`config`: filled."""
        self.config = config
        self.encoder = encoder(config)
        if (
            config.size == "small"
        ):  # normalised behind every convolution: with one norm, nothing was learnt for 350 steps
            self.encoder = dataclasses.replace(self.encoder, conv_norm="layer", conv_bias=True)
        width = config.projection
        self.network = wav2vec2_pretrain.Wav2Vec2(
            wav2vec2_pretrain.Config(encoder=self.encoder, entries=config.entries, code_width=width, width=width)
        )
        self.optimizer = optimizer(config)
        self.length = int(config.seconds * speech_crops.RATE)
        self.frames = self.encoder.frames(self.length)

    @functools.cached_property
    def crops(self) -> speech_crops.SpeechCrops:
        return speech_crops.SpeechCrops(recordings(self.config), self.length)

    @property
    def batch(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Shapes of what `data` gives."""
        rows = self.config.batch
        return {
            "speech": jax.ShapeDtypeStruct((rows, self.length), jnp.float32),
            "temperature": jax.ShapeDtypeStruct((rows,), jnp.float32),
        }

    @property
    def flops(self) -> float:
        """Of a step, as the model needs them."""
        return float(self.config.batch * speech_encoder_flops.wav2vec2(self.network.config, self.length).train)

    def data(self):
        return self.crops.stream(self.config.batch, self.config.seed).map_with_index(self.cool)

    def cool(self, step: int, batch: dict) -> dict:
        """Adds the quantiser's temperature. Small is at its coldest after half the steps; others cool as published."""
        c = self.config
        factor = (c.coldest / 2) ** (2 / c.steps) if c.size == "small" else 0.999995
        temperature = max(c.coldest, 2.0 * factor**step)
        return batch | {"temperature": np.full(len(batch["speech"]), temperature, np.float32)}

    def init(self, rng):
        wave, masked = jnp.zeros((1, self.length)), jnp.zeros((1, self.frames), bool)
        rngs = {"params": rng, "gumbel": rng}
        return train_state.create(self.network.init(rngs, wave, masked, jnp.ones(()), train=False), self.optimizer, rng)

    def loss(self, params, stats, batch, rng):
        hide, draw, gumbel, dropout = jax.random.split(rng, 4)
        masked = time_mask.spans(hide, jnp.ones((len(batch["speech"]), self.frames), bool))
        answer = self.network.apply(
            {"params": params},
            normalise(batch["speech"]),
            masked,
            batch["temperature"][0],
            train=True,
            rngs={"gumbel": gumbel, "dropout": dropout},
        )
        candidates = time_mask.distractors(draw, masked, self.config.distractors)
        error, right = contrastive.contrastive(answer.context, answer.codes, answer.chosen, candidates)
        terms = {
            "contrastive": Mean.of(error, masked.astype(jnp.float32)),
            "right": Mean.of(right.astype(jnp.float32), masked.astype(jnp.float32)),
            "diversity": Mean.of(contrastive.diversity(answer.probabilities, masked)),
        }
        total = terms["contrastive"].value() + self.config.diversity * terms["diversity"].value()
        return total, (stats, terms)


def filled(config, sizes: dict[str, dict]):
    """A config with a number in every field."""
    missing = {name: value for name, value in sizes[config.size].items() if getattr(config, name) is None}
    return dataclasses.replace(config, **missing)


def encoder(config) -> EncoderConfig:
    """The network of a filled config of wav2vec 2.0 or HuBERT."""
    like = ENCODERS[config.size]
    return dataclasses.replace(
        like,
        width=config.width,
        layers=config.layers,
        heads=config.width * like.heads // like.width,
        hidden=4 * config.width,
        conv_widths=(config.conv_width,) * 7,
        **(BASE_TRAINS if config.size == "base" else {"dropout": 0.0}),
        dtype=jnp.dtype(config.dtype).type,
        remat=config.remat,
        scan=config.size != "small",
    )


def optimizer(config) -> optax.GradientTransformation:
    """Base and large: the published schedule, up for 8 % of the steps and down to nothing."""
    clip = optax.clip_by_global_norm(config.clip) if config.clip else optax.identity()
    if config.size == "small":
        rate = optax.warmup_cosine_decay_schedule(0.0, config.rate, min(200, config.steps // 5), config.steps)
        return optax.chain(clip, optax.adamw(rate, b2=0.98, weight_decay=0.01))
    warm = round(0.08 * config.steps)
    up, down = optax.linear_schedule(0, config.rate, warm), optax.linear_schedule(config.rate, 0, config.steps - warm)
    rate = optax.join_schedules([up, down], [warm])
    return optax.chain(clip, optax.adamw(rate, b2=0.98, eps=1e-6, weight_decay=0.01))


def recordings(config) -> sound_files.SoundFiles | corpus_speech.CorpusSpeech:
    """What a config trains on; read from disk as it is needed."""
    if config.recordings:
        return sound_files.find(config.recordings, config.kept)
    return corpus_speech.find(config.corpus, config.kept)


def prober(config, encoder: EncoderConfig):
    """`probe` of a training state; none where recordings are trained on and no corpus is there."""
    if config.recordings and not (config.corpus / "corpus.json").is_file():
        return None
    return lambda state: probe(config, encoder, state.variables["params"]["encoder"])


def probe(config, encoder: EncoderConfig, params) -> dict[str, float]:
    """Share of frames of held-out clips whose phoneme a linear classifier finds, from log-mel and from each layer.

    `log_mel_9` is log-mel of a frame and of four before and behind it (180 ms), the best that needs no training;
    `commonest` is the share of the commonest phoneme.
    """

    @jax.jit
    def features(params, wave, lengths):
        _, aux = SpeechEncoder(encoder).apply({"params": params}, normalise(wave, lengths), lengths)
        mel = mfcc.mel_decibels(wave, bands=80, range_db=None)[:, 1::2]  # every 20 ms, in the middle of our frames
        mel = mel[:, : aux["own"].shape[1]]
        near = jnp.pad(mel, ((0, 0), (4, 4), (0, 0)), mode="edge")
        wide = jnp.concatenate([near[:, i : i + mel.shape[1]] for i in range(9)], axis=-1)
        layers = {f"layer_{i + 1}": layer for i, layer in enumerate(aux["layers"])}
        return {"log_mel": mel, "log_mel_9": wide} | layers, aux["own"]

    def gather(records):
        rows, labels = {}, []
        for first in range(0, len(records), 10):
            wave, lengths, phonemes = zip(
                *(speech_crops.start(r, PROBED) for r in records[first : first + 10]), strict=True
            )
            found, own = features(params, jnp.stack(wave), jnp.array(lengths))
            labels.append(np.stack(phonemes)[np.asarray(own)])
            for name, value in found.items():
                rows.setdefault(name, []).append(np.asarray(value)[np.asarray(own)])
        return {name: jnp.asarray(np.concatenate(part)) for name, part in rows.items()}, jnp.concatenate(labels)

    train = corpus.read(config.corpus)
    train = [train[i] for i in range(min(config.probed, len(train)))]
    (train_rows, train_labels), (rows, labels) = gather(train), gather(list(corpus.read(config.corpus, "validation")))
    found = {"phonemes_commonest": float(np.bincount(labels).max() / len(labels))}
    for name, value in train_rows.items():
        fitted = linear_probe.fit(value, train_labels, classes=len(LETTERS))
        found[f"phonemes_{name}"] = float(linear_probe.accuracy(fitted, rows[name], labels).value())
    return found


def save(path: Path, name: str, encoder: EncoderConfig, params) -> None:
    """Writes the encoder for users."""
    note = f"Pretrained by configs/{name}.py without labels."
    values = weights.config_values(encoder)
    made = weights.Weights(variables={"params": params}, name=name, config=values, licence="Apache-2.0", note=note)
    weights.save(path, made, half=True)
