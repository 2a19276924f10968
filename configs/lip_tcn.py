"""LipTCN, what `jaxtalk talk` hears with, first of two stages: on the synthetic corpus.

    jaxtalk corpus data/corpus --clips 2000
    jaxtalk train lip_tcn --corpus data/corpus
    jaxtalk train lip_tcn_people ...      then people: FACEGOOD and tracked clips

4500 steps of 102 s of speech in 15 minutes on two CPU cores. Reached on held-out sentences: lip error 0.41 of a still
face's, closures kept 0.96; FACEGOOD 3_15 jaw 0.53.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import optax

from configs import expnet
from jaxtalk.audio import mel
from jaxtalk.data import clips, mel_augment, phonemes, speech_sequences
from jaxtalk.face.arkit import NAMES
from jaxtalk.io import weights
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import lip_tcn
from jaxtalk.systems import listen
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

COLUMNS = 256  # of log-mel in a stretch: 3.2 s
PLAIN = 0.2  # share of stretches that are not varied


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Trains LipTCN to move the built-in face's mouth with speech, on the corpus."""

    corpus: Path = Path("data/corpus")
    """Folder that `jaxtalk corpus` wrote."""
    facegood: Path | None = None
    """Folder with 2_01.flac, 2_01.npz ... of FACEGOOD-Audio2Face; 3_15 is kept for testing."""
    clips: Path | None = None
    """Folder with video/NAME.mp4 and tracks/NAME.npz of people talking."""
    names: tuple[str, ...] = expnet.OPEN_CLIPS
    """Which clips."""
    width: int = 192
    dropout: float = 0.1
    batch: int = 32
    steps: int = 4500
    rate: float = 2e-3
    seed: int = 0

    def experiment(self) -> Experiment:
        task = Task(self)
        return Experiment(
            name="lip_tcn",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.998),
            data=lambda: speech_sequences.stream(task.sources[:1], self.batch, self.seed),  # the corpus
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
            log_every=100,
            evaluate_every=4500,
            save_every=800,
        )


class Task(expnet.Task):
    """As ExpNet's, with sentences for windows."""

    importance = {"coefficients": 1.0, "lip_points": 1.0, "opening": 1.0, "closure": 3.0, "phoneme": 0.3}

    def __init__(self, config: Config):
        super().__init__(config)
        rate = optax.warmup_cosine_decay_schedule(0.0, config.rate, min(200, config.steps // 10), config.steps)
        self.optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate, weight_decay=1e-2))

    @staticmethod
    def build(config):
        settings = {"width": config.width, "dropout": config.dropout}
        return lip_tcn.LipTCN(lip_tcn.Config(coefficients=len(NAMES), phonemes=len(phonemes.LETTERS), **settings))

    @staticmethod
    def gather(recordings: list[clips.Recording], tracked: bool = False):
        return speech_sequences.SpeechSequences(recordings, COLUMNS, tracked)

    def init(self, rng):
        return train_state.create(self.network.init(rng, jnp.zeros((1, COLUMNS, mel.BANDS))), self.optimizer, rng)

    def loss(self, params, stats, batch, rng):
        """Means over the moments of which something is known."""
        predicted, terms = self.moments(params, batch, rng)
        metrics = {name: Mean.of(error, known) for name, (error, known) in terms.items()}
        total = sum(self.importance[name] * metrics[name].sum for name in terms) / batch["mask"].sum()
        return total, (stats, metrics)

    def moments(self, params, batch, rng):
        """Predicted expression of every moment in the batch [b t/2, 52], and `terms` of it within recordings."""
        varied, dropped = jax.random.split(rng)
        sound = mel_augment.augment(varied, jnp.swapaxes(batch["mel"], 1, 2), plain=PLAIN)
        moved, aux = self.network.apply(
            {"params": params}, jnp.swapaxes(sound, 1, 2), train=True, rngs={"dropout": dropped}
        )
        known = jnp.broadcast_to(batch["known"][:, None], moved.shape)
        flat = {key: batch[key].reshape(-1, *batch[key].shape[2:]) for key in ("expression", "opening", "phoneme")}
        flat["known"] = known.reshape(-1, len(NAMES))
        mean, spread = self.scale
        predicted = moved.reshape(-1, len(NAMES)) * spread[None] + mean[None]
        inside = batch["mask"].reshape(-1)
        terms = self.terms(predicted, aux["phoneme"].reshape(len(predicted), -1), flat)
        return predicted, {name: (error, known * inside) for name, (error, known) in terms.items()}

    def folded(self, variables):
        """LipTCN as it is used: in training it works in units of each coefficient's spread."""
        mean, spread = self.scale
        last = variables["params"]["expression"]
        last = {"kernel": last["kernel"] * spread[None], "bias": last["bias"] * spread + mean}
        return {"params": {**variables["params"], "expression": last}}

    def unfolded(self, variables):
        """What `folded` was made of."""
        mean, spread = self.scale
        last = variables["params"]["expression"]
        last = {"kernel": last["kernel"] / spread[None], "bias": (last["bias"] - mean) / spread}
        return {"params": {**variables["params"], "expression": last}}

    def talked(self, variables, recording: clips.Recording):
        """What `jaxtalk talk` makes of the network's answer."""
        heard = lip_tcn.hear(self.network.config, variables["params"], recording.mel)
        return listen.lips(heard, recording.seconds)

    def export(self, state, folder: Path) -> None:
        """Writes `folder/lip_tcn.safetensors`."""
        weights.save(
            folder / "lip_tcn.safetensors",
            weights.Weights(
                variables=self.folded(state.variables),
                name="lip_tcn",
                config=weights.config_values(self.network.config),
                licence="Apache-2.0",
                note="Synthetic corpus, FACEGOOD-Audio2Face (MIT) and tracked clips; see configs/lip_tcn.py.",
            ),
            half=True,
        )
