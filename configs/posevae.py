"""PoseVAE on the synthetic corpus: head motion from speech in 46 styles, with SadTalker's losses.

    jaxtalk corpus corpus --clips 1200
    jaxtalk train posevae --corpus corpus

Half the published width. The sound encoder is that of an ExpNet and stays as it is (the original takes Wav2Lip's).
Writes runs/posevae/posevae.safetensors.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtalk.data import corpus, pose_pieces
from jaxtalk.io import weights
from jaxtalk.losses import gan, vae
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import audio2pose
from jaxtalk.train import state, step
from jaxtalk.train.experiment import Experiment

SIZE = audio2pose.Config(width=16)
FRAMES = SIZE.sequence + 1  # of a piece: the first is the reference
MODEL, JUDGE = audio2pose.PoseVAE(SIZE), audio2pose.Discriminator(SIZE.width)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """PoseVAE (half width) on the synthetic corpus."""

    corpus: Path = Path("corpus")
    """Folder written by `jaxtalk corpus`."""
    ear: Path | None = None
    """The ExpNet whose sound encoder listens; the shipped one if not given."""
    steps: int = 2000
    batch: int = 64
    rate: float = 1e-3
    kl: float = 2e-4
    """Weight of the divergence, summed over the latent, against the mean squared error in units of audio2pose.UNIT."""
    adversarial: float = 0.05
    seed: int = 0

    def experiment(self) -> Experiment:
        encoder = _expnet_encoder(self.ear or weights.shipped("expnet"))
        ear = _ear(encoder)
        heard = {name: pose_pieces.hear(corpus.read(self.corpus, name), ear) for name in ("train", "validation")}
        optimizers = {
            "generator": optax.adam(optax.cosine_decay_schedule(self.rate, self.steps), b1=0.5),
            "discriminator": optax.adam(0.3 * self.rate, b1=0.5),
        }
        return Experiment(
            name="posevae",
            init=lambda rng: _init(rng, optimizers),
            step=step.make_adversarial_step(_generator_loss(self), _discriminator_loss, optimizers),
            data=lambda: pose_pieces.dataset(heard["train"], FRAMES, self.batch, self.seed),
            steps=self.steps,
            evaluate=lambda states: _evaluate(states, pose_pieces.dataset(heard["validation"], FRAMES, self.batch, 0)),
            export=lambda states, folder: _export(states, encoder, folder / "posevae.safetensors", self),
            seed=self.seed,
        )


def _ear(encoder: dict):
    """Mel windows [b, 80, 16] to embeddings [b, a]."""
    variables = {"params": {"ear": encoder["params"]}, "batch_stats": {"ear": encoder["batch_stats"]}}
    return jax.jit(lambda windows: MODEL.apply(variables, windows, method="listen"))


def _expnet_encoder(path: Path) -> dict:
    stored = weights.load(path).variables
    return {collection: tree["encoder"] for collection, tree in stored.items()}


def _init(rng, optimizers):
    sound, pose = jnp.zeros((1, SIZE.sequence, 16 * SIZE.width)), jnp.zeros((1, SIZE.sequence, audio2pose.POSE))
    style, z = jnp.zeros(1, jnp.int32), jnp.zeros((1, SIZE.latent))

    def both(model):  # without the ear, which is frozen and joins at export
        model.encode(sound, pose[:, 0], pose, style)
        return model.decode(sound, pose[:, 0], z, style)

    networks = {"generator": MODEL.init(rng, method=both), "discriminator": JUDGE.init(rng, pose)}
    return {name: state.create(variables, optimizers[name], rng) for name, variables in networks.items()}


def _reconstruct(own, batch, rng, train):
    """Motion relative to the piece's first frame, the model's, its latent (mean, log variance), new statistics."""
    pose, sound, style = batch["pose"] / audio2pose.UNIT, batch["sound"][:, 1:], batch["style"]
    motion, reference = pose[:, 1:] - pose[:, :1], jnp.zeros_like(pose[:, 0])

    def through(model):
        mean, log_variance = model.encode(sound, reference, motion, style, train=train)
        noise = jax.random.normal(rng, mean.shape) if train else 0.0
        made = model.decode(sound, reference, mean + noise * jnp.exp(0.5 * log_variance), style, train=train)
        return made, (mean, log_variance)

    (made, latent), changed = MODEL.apply(own, method=through, mutable=["batch_stats"])
    return motion, made, latent, changed["batch_stats"]


def _generator_loss(config: Config):
    def loss(params, stats, batch, rng, states):
        judge = states["discriminator"]
        motion, made, latent, stats = _reconstruct({"params": params, "batch_stats": stats}, batch, rng, True)
        scores = JUDGE.apply({"params": judge.params, "batch_stats": judge.stats}, made)
        terms = {
            "error": vae.squared_error(made, motion),
            "kl": config.kl * vae.kl(*latent),
            "adversarial": config.adversarial * gan.generator(scores),
        }
        return sum(term.mean() for term in terms.values()), (stats, {k: Mean.of(v) for k, v in terms.items()})

    return loss


def _discriminator_loss(params, stats, batch, rng, states):
    own = {"params": states["generator"].params, "batch_stats": states["generator"].stats}
    motion, made, *_ = _reconstruct(own, batch, rng, True)
    both, variables = jnp.concatenate([motion, made]), {"params": params, "batch_stats": stats}
    scores, changed = JUDGE.apply(variables, both, train=True, mutable=["batch_stats"])
    loss = gan.discriminator(*jnp.split(scores, 2))
    return loss.mean(), (changed["batch_stats"], {"loss": Mean.of(loss)})


@jax.jit
def _held_out(variables, batch):
    """Errors of the reconstruction and of a still head, divergence, and how much drawn and true heads move."""
    motion, made, latent, _ = _reconstruct(variables, batch, None, False)
    z = jax.random.normal(jax.random.key(0), latent[0].shape)
    given = batch["sound"][:, 1:], jnp.zeros_like(motion[:, 0]), z, batch["style"]
    drawn = MODEL.apply(variables, *given, method="decode")
    return {
        "error": vae.squared_error(made, motion).mean(),
        "error_of_a_still_head": vae.squared_error(motion, jnp.zeros_like(motion)).mean(),
        "kl": vae.kl(*latent).mean(),
        "drawn_over_true_spread": drawn[..., :3].std() / motion[..., :3].std(),
        "drawn_over_true_speed": jnp.diff(drawn[..., :3], axis=1).std() / jnp.diff(motion[..., :3], axis=1).std(),
    }


def _evaluate(states, dataset) -> dict[str, float]:
    rounds = [jax.device_get(_held_out(states["generator"].variables, dataset[i])) for i in range(4)]
    return {key: float(np.mean([numbers[key] for numbers in rounds])) for key in rounds[0]}


def _export(states, encoder: dict, path: Path, config: Config) -> None:
    own = states["generator"].variables
    variables = {collection: tree | {"ear": encoder[collection]} for collection, tree in own.items()}
    note = f"Synthetic corpus, {config.steps} steps of configs/posevae.py; the ear is an ExpNet's."
    values = weights.config_values(SIZE)
    made = weights.Weights(variables=variables, name="posevae", config=values, licence="Apache-2.0", note=note)
    weights.save(path, made, half=True)
