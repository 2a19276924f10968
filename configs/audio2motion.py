"""Audio2Motion, GeneFace's variational model of the face's motion given speech, learnt from many people.

    jaxtalk corpus data/corpus --clips 1200
    jaxtalk train motion_sync --corpus data/corpus --clips DIR
    jaxtalk train audio2motion --corpus data/corpus --clips DIR --sync runs/motion_sync/motion_sync_net.safetensors
    jaxtalk train motion_postnet ...     then one person

Reconstruction, its change from frame to frame, divergence from a prior that a flow makes of the speech, and the sync
expert's verdict, weighted as published but for the divergence, which with 0.5 leaves nothing in the latents.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from configs import motion_sync as first
from jaxtalk.losses import motion as losses
from jaxtalk.losses import vae
from jaxtalk.metrics.lip_correlation import correlation
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import audio2motion, motion_sync_net
from jaxtalk.systems import motion_sync, spoken_motion
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step


@dataclasses.dataclass(frozen=True, kw_only=True)
class Importance:
    """What each loss counts beside the squared error of the motion, in units of 5 mm."""

    continuity: float = 3.0
    """Of the error of the change from frame to frame."""
    kl: float = 2e-3
    """Of the divergence for a number of the latents; published: 0.5, for motion in centimetres."""
    sync: float = 0.01
    """Of the sync expert's verdict."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(first.Speech):
    """Trains Audio2Motion (a third of the published width)."""

    sync: Path | None = None
    """Weights of MotionSyncNet; without them nothing is judged."""
    importance: Importance = Importance()
    flow_prior: bool = True
    """Whether the prior depends on the speech; else it is the standard normal distribution."""
    width: int = 80
    encoder_layers: int = 3
    decoder_layers: int = 4
    flow_width: int = 32
    flow_layers: int = 3
    noise: float = 0.3
    """Standard deviation of what is added to the sound's features, which are about 1."""
    dropout: float = 0.2
    """Share of the sound's features that a piece goes without."""
    batch: int = 16
    steps: int = 2000
    rate: float = 1e-3
    seed: int = 0

    def network(self, features: int) -> audio2motion.Config:
        return audio2motion.Config(
            features=features,
            width=self.width,
            encoder_layers=self.encoder_layers,
            decoder_layers=self.decoder_layers,
            flow_width=self.flow_width,
            flow_layers=self.flow_layers,
            couplings=4 if self.flow_prior else 0,
        )

    def experiment(self) -> Experiment:
        task = Task(self)
        return Experiment(
            name="audio2motion",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.99),
            data=lambda: first.talking_motion.stream(task.sources, self.batch, self.seed),
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
            log_every=100,
            evaluate_every=1000,
        )


class Task:
    """The data in memory and the pure functions of one run."""

    def __init__(self, config: Config):
        self.config = config
        self.sources = config.sources()
        piece = self.sources[0][0].piece(0, np.random.default_rng(0))
        self.network = audio2motion.Audio2Motion(config.network(piece["sound"].shape[-1]))
        self.expert = spoken_motion.expert(config.sync) if config.sync else None
        rate = optax.warmup_cosine_decay_schedule(0.0, config.rate, min(100, config.steps // 10), config.steps)
        self.optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))

    def init(self, rng):
        c, frames = self.network.config, 2 * self.network.config.stride
        given = (jnp.zeros((1, frames, c.motion)), jnp.zeros((1, 2 * frames, c.features)), jnp.ones((1, frames)))
        return train_state.create(self.network.init(rng, *given, jnp.zeros((1, 2, c.latent))), self.optimizer, rng)

    def loss(self, params, stats, batch, rng):
        """Means over the frames, latents and windows in the mask."""
        vary, draw, place = jax.random.split(rng, 3)
        motion, mask = batch["motion"], batch["mask"]
        sound = self.varied(vary, batch["sound"])
        latents = audio2motion.latents(self.network.config, motion.shape[1])
        noise = jax.random.normal(draw, (len(motion), latents, self.network.config.latent))
        (again, coded), changed = self.network.apply(
            {"params": params, "batch_stats": stats}, motion, sound, mask, noise, train=True, mutable=["batch_stats"]
        )
        kl = vae.kl_by_sample(coded.z, coded.mean, coded.log_deviation, coded.normal) / self.network.config.latent
        terms = {
            "error": Mean.of(losses.squared_error(again, motion), mask),
            "continuity": Mean.of(losses.continuity(again, motion), mask),
            "kl": Mean.of(kl, coded.mask),
        }
        if self.expert:
            start = jax.random.randint(place, mask.shape[:1], 0, motion_sync_net.FRAMES)
            terms["sync"] = Mean.of(*motion_sync.verdict(*self.expert, batch["sound"], again, mask, start))
        total = sum(getattr(self.config.importance, name, 1.0) * term.value() for name, term in terms.items())
        return total, (changed["batch_stats"], terms)

    def varied(self, rng, sound):
        """Some of the features hidden for a whole piece, the rest with noise."""
        hide, noise = jax.random.split(rng)
        kept = jax.random.bernoulli(hide, 1 - self.config.dropout, (len(sound), 1, sound.shape[-1]))
        return kept * sound / (1 - self.config.dropout) + self.config.noise * jax.random.normal(noise, sound.shape)

    def evaluate(self, state) -> dict[str, float]:
        """Held-out sentences at temperature 0: correlation of the opening of the mouth, error over a still face's."""
        talker, still = spoken_motion.Audio2Motion(self.network, state.variables), self.still()
        rows = []
        for one in self.config.held_out():
            said = spoken_motion.generate(talker, one.sound)
            error = [np.square(guess - one.motion).mean() for guess in (said, still)]
            follows = correlation(spoken_motion.opening(said), spoken_motion.opening(one.motion))
            rows.append((float(follows), *error))
        follows, error, of_still = np.mean(rows, 0)
        return {"opening": float(follows), "error_over_still_face": float(error / of_still)}

    def still(self):
        """The mean frame of what is learnt from."""
        pieces = self.sources[0][0]
        made = [pieces.piece(i, np.random.default_rng(i)) for i in range(0, len(pieces), max(1, len(pieces) // 100))]
        return np.concatenate([piece["motion"][piece["mask"] > 0] for piece in made]).mean(0)

    def export(self, state, folder: Path) -> None:
        """Writes `folder/audio2motion.safetensors`."""
        first.save(folder, "audio2motion", state.variables, self.network.config, self.config, "audio2motion")
