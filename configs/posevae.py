"""PoseVAE on the synthetic corpus: head motion from speech in 46 styles, with SadTalker's losses.

    jaxtalk corpus corpus --clips 1200
    jaxtalk train posevae --corpus corpus

Half the published width. The sound encoder is that of an ExpNet and stays as it is (the original takes Wav2Lip's).
Writes runs/posevae/posevae.safetensors, its latents standardised (models/pose_prior.py).

The shipped weights had 500 steps of 64 pieces. Held-out pieces of 32 frames, drawn over true: as trained, spread 0.23
and speed 0.52; with standardised latents 0.55 and 0.74; drawn 1.7 times as wide, as shipped, 0.73 and 0.99 (twice as
wide: 0.79 and 1.06). The error, 0.164 where a still head has 0.277, is the same in all. A step is 0.9 s of one core.
"""

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtalk.data import corpus, pose_pieces
from jaxtalk.io import weights
from jaxtalk.losses import gan, vae
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import audio2pose, pose_prior
from jaxtalk.nn.mel_encoder import MelEncoder
from jaxtalk.train import state, step
from jaxtalk.train.experiment import Experiment

FRAMES = audio2pose.Config().sequence + 1  # of a piece: the first is the reference
ENCODED = 20  # batches whose latents are measured after training


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """PoseVAE (half width) on the synthetic corpus."""

    corpus: Path = Path("corpus")
    """Folder written by `jaxtalk corpus`."""
    ear: Path | None = None
    """The ExpNet whose sound encoder listens; the shipped one if not given."""
    start: Path | None = None
    """Weights of PoseVAE to start from."""
    width: int = 16
    steps: int = 2000
    batch: int = 64
    rate: float = 1e-3
    kl: float = 2e-4
    """Weight of the divergence, summed over the latent, against the mean squared error in units of audio2pose.UNIT."""
    adversarial: float = 0.05
    sound: bool = True
    """Whether the speech is heard."""
    styles: bool = True
    """Whether the 46 styles are told apart; else all are one, mixed."""
    widen: float = 1.7
    """How much wider than those of encoded motion latents are drawn: a latent is decoded to the mean of the motions
    it may stand for, which moves less than they do."""
    seed: int = 0

    def experiment(self) -> Experiment:
        task = Task(self)
        return Experiment(
            name="posevae",
            init=task.init,
            step=step.make_adversarial_step(task.generator_loss, task.discriminator_loss, task.optimizers),
            data=lambda: task.pieces("train", self.seed),
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
        )


class Task:
    """What was heard, in memory, and the pure functions of one run."""

    def __init__(self, config: Config):
        self.config = config
        self.encoder, ear_width, listen = _ear(config.ear or weights.shipped("expnet"))
        self.model = audio2pose.PoseVAE(audio2pose.Config(width=config.width, ear_width=ear_width))
        self.judge = audio2pose.Discriminator(config.width)
        self.heard = {n: pose_pieces.hear(corpus.read(config.corpus, n), listen) for n in ("train", "validation")}
        self.optimizers = {
            "generator": optax.adam(optax.cosine_decay_schedule(config.rate, config.steps), b1=0.5),
            "discriminator": optax.adam(0.3 * config.rate, b1=0.5),
        }

    def pieces(self, split: str, seed: int):
        return pose_pieces.dataset(self.heard[split], FRAMES, self.config.batch, seed)

    def init(self, rng):
        size, heard = self.model.config, self.heard["train"][0]["sound"].shape[-1]
        sound, pose = jnp.zeros((1, size.sequence, heard)), jnp.zeros((1, size.sequence, audio2pose.POSE))
        style, z = jnp.zeros(1, jnp.int32), jnp.zeros((1, size.latent))

        def both(model):  # without the ear, which is frozen and joins at export
            model.encode(sound, pose[:, 0], pose, style)
            return model.decode(sound, pose[:, 0], z, style)

        networks = {"generator": self.model.init(rng, method=both), "discriminator": self.judge.init(rng, pose)}
        if self.config.start:
            stored = weights.load(self.config.start).variables
            networks["generator"] = {c: {k: v for k, v in t.items() if k != "ear"} for c, t in stored.items()}
        return {name: state.create(given, self.optimizers[name], rng) for name, given in networks.items()}

    def given(self, batch):
        """Motion relative to the piece's first frame, its sound, the reference and the style."""
        pose, sound, style = batch["pose"] / audio2pose.UNIT[None, None], batch["sound"][:, 1:], batch["style"]
        sound = sound if self.config.sound else jnp.zeros_like(sound)
        style = style if self.config.styles else jnp.zeros_like(style)
        return pose[:, 1:] - pose[:, :1], sound, jnp.zeros_like(pose[:, 0]), style

    def reconstruct(self, own, batch, rng, train):
        """The motion, the model's, its latent (mean, log variance), new statistics."""
        motion, sound, reference, style = self.given(batch)

        def through(model):
            mean, log_variance = model.encode(sound, reference, motion, style, train=train)
            noise = jax.random.normal(rng, mean.shape) if train else 0.0
            made = model.decode(sound, reference, mean + noise * jnp.exp(0.5 * log_variance), style, train=train)
            return made, (mean, log_variance)

        (made, latent), changed = self.model.apply(own, method=through, mutable=["batch_stats"])
        return motion, made, latent, changed["batch_stats"]

    def generator_loss(self, params, stats, batch, rng, states):
        judge = states["discriminator"]
        motion, made, latent, stats = self.reconstruct({"params": params, "batch_stats": stats}, batch, rng, True)
        scores = self.judge.apply({"params": judge.params, "batch_stats": judge.stats}, made)
        terms = {
            "error": vae.squared_error(made, motion),
            "kl": self.config.kl * vae.kl(*latent),
            "adversarial": self.config.adversarial * gan.generator(scores),
        }
        return sum(term.mean() for term in terms.values()), (stats, {k: Mean.of(v) for k, v in terms.items()})

    def discriminator_loss(self, params, stats, batch, rng, states):
        own = {"params": states["generator"].params, "batch_stats": states["generator"].stats}
        motion, made, *_ = self.reconstruct(own, batch, rng, True)
        both, variables = jnp.concatenate([motion, made]), {"params": params, "batch_stats": stats}
        scores, changed = self.judge.apply(variables, both, train=True, mutable=["batch_stats"])
        loss = gan.discriminator(*jnp.split(scores, 2))
        return loss.mean(), (changed["batch_stats"], {"loss": Mean.of(loss)})

    def drawable(self, states) -> dict:
        """The averaged weights, with latents of which draws are like those of true motion."""
        own, pieces = states["generator"].variables, self.pieces("train", self.config.seed + 1)
        encode = jax.jit(lambda batch: self.reconstruct(own, batch, None, False)[2])
        parts = [encode(pieces[i]) for i in range(ENCODED)]
        mean, log_variance = (jnp.concatenate(part) for part in zip(*parts, strict=True))
        latents = pose_prior.Latents.of(mean, log_variance)
        wide = latents._replace(covariance=self.config.widen**2 * latents.covariance)
        made = pose_prior.standardised(own, wide)
        return made if self.config.sound else deaf(made)

    def evaluate(self, states) -> dict[str, float]:
        variables, pieces = self.drawable(states), self.pieces("validation", 0)
        rounds = [jax.device_get(self.held_out(variables, pieces[i])) for i in range(4)]
        return {key: float(np.mean([numbers[key] for numbers in rounds])) for key in rounds[0]}

    @functools.partial(jax.jit, static_argnums=0)
    def held_out(self, variables, batch):
        """Errors of the reconstruction and of a still head, divergence, and how much drawn and true heads move."""
        motion, made, latent, _ = self.reconstruct(variables, batch, None, False)
        _, sound, reference, style = self.given(batch)
        z = jax.random.normal(jax.random.key(0), latent[0].shape)
        drawn = self.model.apply(variables, sound, reference, z, style, method="decode")
        return {
            "error": vae.squared_error(made, motion).mean(),
            "error_of_a_still_head": vae.squared_error(motion, jnp.zeros_like(motion)).mean(),
            "kl": vae.kl(*latent).mean(),
            "drawn_over_true_spread": drawn[..., :3].std() / motion[..., :3].std(),
            "drawn_over_true_speed": jnp.diff(drawn[..., :3], axis=1).std() / jnp.diff(motion[..., :3], axis=1).std(),
        }

    def export(self, states, folder: Path) -> None:
        """Writes `folder/posevae.safetensors`."""
        variables = {name: tree | {"ear": self.encoder[name]} for name, tree in self.drawable(states).items()}
        note = f"Synthetic corpus, {self.config.steps} steps of configs/posevae.py; the ear is an ExpNet's."
        values = weights.config_values(self.model.config)
        made = weights.Weights(variables=variables, name="posevae", config=values, licence="Apache-2.0", note=note)
        weights.save(folder / "posevae.safetensors", made, half=True)


def deaf(variables: dict) -> dict:
    """A PoseVAE to which all sound is nothing, as it was in training."""
    params = dict(variables["params"])
    for part in ("encoder", "decoder"):
        params[part] = {**params[part], "sound": jax.tree.map(jnp.zeros_like, params[part]["sound"])}
    return {**variables, "params": params}


def _ear(path: Path):
    """An ExpNet's encoder, its width, and the function from mel windows [b, 80, 16] to its embeddings [b, a]."""
    stored = weights.load(path)
    encoder = {collection: tree["encoder"] for collection, tree in stored.variables.items()}
    network = MelEncoder(stored.config["width"])
    listen = jax.jit(lambda windows: network.apply(encoder, windows, train=False).astype(jnp.float32))
    return encoder, network.width, listen
