"""PostNet, which draws Audio2Motion's motion towards one person's: the domain adaptation of GeneFace.

    jaxtalk avatar fit me.mp4 -o me/          prepares me/data
    jaxtalk train motion_postnet --person me/data --audio2motion runs/audio2motion/audio2motion.safetensors \\
        --sync runs/motion_sync/motion_sync_net.safetensors --corpus data/corpus

Others speak and Audio2Motion, frozen, says what a face does; the PostNet corrects it. A discriminator that knows frames
of the person tells it what is not theirs (least squares), the sync expert what is not in time with the speech, and, a
little, the person's own motion to the person's own speech what is wrong. Begins as the identity.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import optax

from configs import motion_sync as first
from jaxtalk.data import talking_motion
from jaxtalk.data.talking_motion import MotionPieces
from jaxtalk.losses import gan
from jaxtalk.losses import motion as losses
from jaxtalk.metrics import motion_domain
from jaxtalk.metrics.lip_correlation import correlation
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import audio2motion, motion_discriminator, motion_postnet, motion_sync_net
from jaxtalk.systems import motion_sync, spoken_motion
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_adversarial_step


@dataclasses.dataclass(frozen=True, kw_only=True)
class Importance:
    """What each loss counts; as published, though there motion is in centimetres and here in units of 5 mm."""

    adversarial: float = 0.85
    sync: float = 0.1
    error: float = 0.05
    """Of the motion for the person's own speech."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(first.Speech):
    """Trains the PostNet of one person (half the published width)."""

    person: Path = Path("person/data")
    """Folder that `jaxtalk avatar fit` made of a video."""
    audio2motion: Path = Path("runs/audio2motion/audio2motion.safetensors")
    """Weights of Audio2Motion, which stay as they are."""
    sync: Path | None = None
    """Weights of MotionSyncNet; without them nothing is judged."""
    others: bool = True
    """Whether others are heard in training; else the person's own speech alone, at other paces."""
    importance: Importance = Importance()
    temperature: float = 1.0
    """Of the noise from which Audio2Motion draws in training."""
    width: int = 64
    batch: int = 16
    steps: int = 1500
    rate: float = 3e-4
    seed: int = 0

    def experiment(self) -> Experiment:
        task = Task(self)
        return Experiment(
            name="motion_postnet",
            init=task.init,
            step=make_adversarial_step(task.generator_loss, task.discriminator_loss, task.optimizers, average=0.99),
            data=task.batches,
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
            log_every=100,
            save_every=200,  # so that an interruption of `avatar fit` costs less than a minute
        )


class Task:
    """The data in memory and the pure functions of one run."""

    def __init__(self, config: Config):
        self.config = config
        self.person = talking_motion.of_person(config.person, config.listen())
        self.talker = spoken_motion.audio2motion(config.audio2motion)
        self.expert = spoken_motion.expert(config.sync) if config.sync else None
        self.network = motion_postnet.MotionPostNet(motion_postnet.Config(width=config.width))
        self.judge = motion_discriminator.MotionDiscriminator(motion_discriminator.Config(width=config.width))
        self.optimizers = {name: optax.rmsprop(config.rate) for name in ("generator", "discriminator")}

    def batches(self):
        """Speech of others, and of the person beside it."""
        others = [self.person.train]
        if self.config.others:
            others = [speaker for pieces, _ in self.config.sources() for speaker in pieces.people]
        own = MotionPieces([self.person.train], self.config.frames)
        return talking_motion.beside(MotionPieces(others, self.config.frames), own, self.config.batch, self.config.seed)

    def init(self, rng):
        motion = jnp.zeros((1, 8, self.network.config.motion))
        networks = {
            "generator": unchanging(self.network.init(rng, motion, jnp.ones((1, 8)))),
            "discriminator": self.judge.init(rng, motion),
        }
        return {name: train_state.create(given, self.optimizers[name], rng) for name, given in networks.items()}

    def said(self, params, stats, batch, rng):
        """Corrected motion of others, then of the person; their masks; new statistics."""
        sound = jnp.concatenate([batch["sound"], batch["own_sound"]])
        mask = jnp.concatenate([batch["mask"], batch["own_mask"]])
        config = self.talker.network.config
        shape = (len(sound), audio2motion.latents(config, mask.shape[1]), config.latent)
        noise = self.config.temperature * jax.random.normal(rng, shape)
        raw = self.talker.network.apply(self.talker.variables, mask, sound, noise, method="generate")
        motion, changed = self.network.apply(
            {"params": params, "batch_stats": stats}, raw, mask, train=True, mutable=["batch_stats"]
        )
        return motion, mask, changed["batch_stats"]

    def generator_loss(self, params, stats, batch, rng, states):
        draw, place = jax.random.split(rng)
        motion, mask, stats = self.said(params, stats, batch, draw)
        (others, own), (seen, _) = jnp.split(motion, 2), jnp.split(mask, 2)
        scores = self.judge.apply({"params": states["discriminator"].params}, others)
        terms = {
            "adversarial": Mean.of(
                2 * gan.generator(scores.reshape(-1)), seen.reshape(-1)
            ),  # published: without a half
            "error": Mean.of(losses.squared_error(own, batch["own_motion"]), batch["own_mask"]),
        }
        if self.expert:
            start = jax.random.randint(place, seen.shape[:1], 0, motion_sync_net.FRAMES)
            terms["sync"] = Mean.of(*motion_sync.verdict(*self.expert, batch["sound"], others, seen, start))
        total = sum(getattr(self.config.importance, name) * term.value() for name, term in terms.items())
        return total, (stats, terms, {"made": others})

    def discriminator_loss(self, params, stats, batch, rng, states):
        """Frames of the person should be 1, those made of others' speech 0."""
        both = jnp.concatenate([batch["own_motion"], batch["made"]])
        scores = self.judge.apply({"params": params}, both, train=True, rngs={"dropout": rng})
        real, made = (part.reshape(-1) for part in jnp.split(scores, 2))
        own, others = batch["own_mask"].reshape(-1), batch["mask"].reshape(-1)
        right, wrong = Mean.of(jnp.square(real - 1), own), Mean.of(jnp.square(made), others)
        told = {"real": Mean.of(real, own), "made": Mean.of(made, others)}
        return right.value() + wrong.value(), (stats, told)

    def evaluate(self, states) -> dict[str, float]:
        """The person's held-out speech: distance to the person's frames and how lips follow, before (raw) and after."""
        held_out, known = self.person.held_out, self.person.train.motion
        corrected, found = spoken_motion.PostNet(self.network, states["generator"].variables), {}
        for name, post in (("raw", None), ("corrected", corrected)):
            motion = spoken_motion.generate(self.talker, held_out.sound, post)
            found |= {f"{name}_{k}": v for k, v in motion_domain.distance(motion, known)._asdict().items()}
            lips = correlation(spoken_motion.opening(motion), spoken_motion.opening(held_out.motion))
            found[f"{name}_opening"] = float(lips)
        return found

    def export(self, states, folder: Path) -> None:
        """Writes `folder/motion_postnet.safetensors`."""
        network, variables = self.network.config, states["generator"].variables
        first.save(folder, "motion_postnet", variables, network, self.config, "motion_postnet")


def unchanging(variables: dict) -> dict:
    """A PostNet whose last layer adds nothing."""
    change = jax.tree.map(jnp.zeros_like, variables["params"]["change"])
    return {**variables, "params": {**variables["params"], "change": change}}
