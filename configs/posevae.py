"""PoseVAE on the synthetic corpus: head motion from speech in 46 styles, with SadTalker's losses.

    jaxtalk corpus corpus --clips 3000 --workers 2
    jaxtalk train posevae --corpus corpus

Half the published width. The original takes Wav2Lip's sound encoder as it is; ours learns with the rest. Writes
runs/posevae/posevae.safetensors.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtalk.data import corpus_windows
from jaxtalk.io import weights
from jaxtalk.losses import gan, vae
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import audio2pose
from jaxtalk.train import state, step
from jaxtalk.train.experiment import Experiment


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """PoseVAE on the synthetic corpus."""

    corpus: Path = Path("corpus")
    """Folder written by `jaxtalk corpus`."""
    steps: int = 2000
    batch: int = 32
    width: int = 16
    """32 is the published network."""
    learning_rate: float = 1e-3
    kl: float = 2e-4
    """Weight of the divergence, summed over the latent, against the squared error in pose units."""
    adversarial: float = 0.05
    seed: int = 0

    def experiment(self) -> Experiment:
        return _experiment(self)


def _experiment(config: Config) -> Experiment:
    size = audio2pose.Config(width=config.width)
    model, judge = audio2pose.PoseVAE(size), audio2pose.Discriminator(config.width)
    frames = size.sequence + 1  # the first is the reference
    schedule = optax.cosine_decay_schedule(config.learning_rate, config.steps)
    optimizers = {
        "generator": optax.adam(schedule, b1=0.5),
        "discriminator": optax.adam(0.3 * config.learning_rate, 0.5),
    }

    def init(rng):
        sound, pose = jnp.zeros((1, size.sequence, 80, 16)), jnp.zeros((1, size.sequence, audio2pose.POSE))
        style, noise = jnp.zeros(1, jnp.int32), jnp.zeros((1, size.latent))
        generator = model.init(rng, sound, pose[:, 0], pose, style, noise)
        networks = {"generator": generator, "discriminator": judge.init(rng, pose)}
        return {name: state.create(variables, optimizers[name], rng) for name, variables in networks.items()}

    def reconstruct(params, stats, batch, rng, train):
        """Motion relative to the piece's first frame, the model's, its latent, and new statistics."""
        pose = batch["pose"] / audio2pose.UNIT
        reference, motion = pose[:, 0], pose[:, 1:] - pose[:, :1]
        variables = {"params": params, "batch_stats": stats}
        windows = corpus_windows.heard(batch["speech"], frames)[:, 1:]
        noise = jax.random.normal(rng, (len(pose), size.latent)) if train else jnp.zeros((len(pose), size.latent))
        given = windows, jnp.zeros_like(reference), motion, batch["style"], noise
        variables = {"params": params, "batch_stats": stats}
        (made, aux), changed = model.apply(variables, *given, train=train, mutable=["batch_stats"])
        return motion, made, (aux["mean"], aux["log_variance"]), changed["batch_stats"]

    def score(states, motion):
        own = states["discriminator"]
        return judge.apply({"params": own.params, "batch_stats": own.stats}, motion)

    def generator_loss(params, stats, batch, rng, states):
        motion, made, latent, stats = reconstruct(params, stats, batch, rng, train=True)
        terms = {
            "error": vae.squared_error(made, motion),
            "kl": config.kl * vae.kl(*latent),
            "adversarial": config.adversarial * gan.generator(score(states, made)),
        }
        return sum(t.mean() for t in terms.values()), (stats, {k: Mean.of(v) for k, v in terms.items()})

    def discriminator_loss(params, stats, batch, rng, states):
        own = states["generator"]
        motion, made, *_ = reconstruct(own.params, own.stats, batch, rng, train=True)
        both = jnp.concatenate([motion, jax.lax.stop_gradient(made)])
        scores, changed = judge.apply(
            {"params": params, "batch_stats": stats}, both, train=True, mutable=["batch_stats"]
        )
        loss = gan.discriminator(*jnp.split(scores, 2))
        return loss.mean(), (changed["batch_stats"], {"loss": Mean.of(loss)})

    @jax.jit
    def held_out(own, batch):
        motion, made, (mean, log_variance), _ = reconstruct(own.average, own.stats, batch, None, train=False)
        return (
            vae.squared_error(made, motion),
            vae.squared_error(motion, jnp.zeros_like(motion)),
            vae.kl(mean, log_variance),
        )

    def evaluate(states):
        batches = iter(corpus_windows.dataset(config.corpus, "validation", frames, config.batch))
        error, still, divergence = np.mean([held_out(states["generator"], next(batches)) for _ in range(8)], (0, 2))
        return {"error": error, "error_of_a_still_head": still, "kl": divergence}

    def export(states, folder):
        own = states["generator"]
        note = f"Trained on the synthetic corpus by configs/posevae.py, {config.steps} steps"
        made = weights.Weights(
            variables=own.variables,
            name="audio2pose",
            config=weights.config_values(size),
            licence="Apache-2.0",
            note=note,
        )
        weights.save(folder / "posevae.safetensors", made, half=True)

    return Experiment(
        name="posevae",
        init=init,
        step=step.make_adversarial_step(generator_loss, discriminator_loss, optimizers),
        data=lambda: corpus_windows.dataset(config.corpus, "train", frames, config.batch, config.seed),
        steps=config.steps,
        evaluate=evaluate,
        export=export,
        seed=config.seed,
    )
