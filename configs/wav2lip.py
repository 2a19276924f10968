"""Wav2Lip: mouths that fit speech, judged by a sync expert and, if wanted, by a judge of their looks.

    jaxtalk train wav2lip_sync --corpus data/corpus --clips DIR
    jaxtalk train wav2lip --corpus data/corpus --clips DIR --expert runs/wav2lip_sync/wav2lip_syncnet.safetensors
    jaxtalk train wav2lip ... --quality 0.07        Wav2Lip + GAN

A quarter of the published width, for two cores. The weights of the losses are the published ones. No run has
been made yet, so there are no figures.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from configs import wav2lip_sync
from jaxtalk.data.spoken_faces import Windows
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.losses import gan, sync
from jaxtalk.metrics import psnr
from jaxtalk.metrics.lip_sync import agreement
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import wav2lip, wav2lip_discriminator, wav2lip_syncnet
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_adversarial_step

JUDGED = 128  # held-out windows that are evaluated


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(wav2lip_sync.Faces):
    """Trains the generator, and the discriminator with `quality`."""

    expert: Path | None = None
    """Weights of the sync expert; without one there is no sync loss."""
    sync: float = 0.03
    """Weight of the sync loss; what is left of 1 is that of the difference of pixels."""
    sync_from: int = 0
    """The step from which the sync loss counts: the published training waits until pictures are there."""
    quality: float = 0.0
    """Weight of the judge of looks (0.07 published); 0 leaves it out."""
    width: int = 8
    judge_width: int = 8
    batch: int = 8
    steps: int = 2000
    rate: float = 1e-3
    seed: int = 0

    def experiment(self) -> Experiment:
        task = Task(self)
        judging = task.discriminator_loss if self.quality else None
        return Experiment(
            name="wav2lip",
            init=task.init,
            step=make_adversarial_step(task.generator_loss, judging, task.optimizers, 0.99),
            data=lambda: self.mixed(lambda windows: windows.speech, self.batch, self.seed),
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
            log_every=50,
        )


class Task:
    """The pure functions of one run."""

    def __init__(self, config: Config):
        self.config = config
        self.generator = wav2lip.Generator(wav2lip.Config(width=config.width))
        self.judge = wav2lip_discriminator.Discriminator(wav2lip_discriminator.Config(width=config.judge_width))
        adam = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(config.rate, b1=0.5))
        self.optimizers = {"generator": adam, "discriminator": adam}
        self.expert = _expert(config.expert) if config.expert else None

    def init(self, rng):
        variables = {"generator": self.generator.init(rng, jnp.zeros((1, 80, 16)), jnp.zeros((1, 96, 96, 6)))}
        if self.config.quality:
            variables["discriminator"] = self.judge.init(rng, jnp.zeros((1, 96, 96, 3)))
        return {name: train_state.create(one, self.optimizers[name], rng) for name, one in variables.items()}

    def generator_loss(self, params, stats, batch, rng, states):
        """Difference of pixels, the expert's surprise that sound and lips agree, and the judge's that they are real."""
        c, true = self.config, wav2lip_sync.scaled(batch["faces"])
        given = wav2lip.black_out(true, wav2lip_sync.scaled(batch["references"]))
        variables = {"params": params, "batch_stats": stats}
        (made, _), changed = self.generator.apply(variables, batch["mels"], given, train=True, mutable=["batch_stats"])
        terms = {"pixels": jnp.abs(made - true).mean((1, 2, 3, 4))}
        shares = {"sync": 0.0, "quality": c.quality}
        if self.expert is not None:
            shares["sync"] = jnp.where(states["generator"].step >= c.sync_from, c.sync, 0.0)
            agreed = agreement(*self.expert(batch["mel"], made[..., 48:, :, :]))
            terms["sync"] = sync.cross_entropy(agreed, jnp.ones(len(made)))
        if c.quality:
            logits, _ = self.judge.apply({"params": states["discriminator"].params}, made)
            terms["quality"] = gan.cross_entropy_generator(logits)
        shares["pixels"] = 1.0 - shares["sync"] - shares["quality"]
        total = sum(shares[name] * term.mean() for name, term in terms.items())
        metrics = {name: Mean.of(term) for name, term in terms.items()}
        return total, (changed["batch_stats"], metrics, {"made": jax.lax.stop_gradient(made)})

    def discriminator_loss(self, params, stats, batch, rng, states):
        """Real faces against made ones."""
        both = jnp.concatenate([wav2lip_sync.scaled(batch["faces"]), batch["made"]])
        logits, _ = self.judge.apply({"params": params}, both)
        loss = gan.cross_entropy_discriminator(*jnp.split(logits, 2))
        return loss.mean(), (stats, {"loss": Mean.of(loss)})

    def evaluate(self, states) -> dict[str, float]:
        """On the ends of the clips, below the middle: PSNR of what is made and of the reference itself (copy-frame),
        and the expert's agreement with the true picture, with the made one, and with that and another one's sound.
        """
        numbers, apply = {}, jax.jit(self.generator.apply)
        for kind, windows in self.config.held_out().items():
            numbers |= {f"{kind}_{key}": value for key, value in self.judged(apply, states, windows).items()}
        return numbers

    def judged(self, apply, states, windows: Windows) -> dict[str, float]:
        total: dict[str, list[np.ndarray]] = {}
        for first in range(0, JUDGED, 16):
            rows = [windows.speech(i % len(windows), np.random.default_rng(i)) for i in range(first, first + 16)]
            batch = {key: jnp.stack([row[key] for row in rows]) for key in rows[0]}
            true, reference = wav2lip_sync.scaled(batch["faces"]), wav2lip_sync.scaled(batch["references"])
            made, _ = apply(states["generator"].variables, batch["mels"], wav2lip.black_out(true, reference))
            lower = [x[..., 48:, :, :] for x in (made, reference, true)]
            found = {
                f"{key}_psnr": psnr.psnr(x, lower[2]).mean(-1) for key, x in zip(("made", "copy"), lower, strict=False)
            }
            if self.expert is not None:
                pairs = {"true": (lower[2], 0), "made": (lower[0], 0), "other": (lower[0], 1)}
                for key, (faces, shift) in pairs.items():
                    found[f"{key}_sync"] = agreement(*self.expert(jnp.roll(batch["mel"], shift, 0), faces))
            for key, value in found.items():
                total.setdefault(key, []).append(np.asarray(value))
        return {key: float(np.concatenate(values).mean()) for key, values in total.items()}

    def export(self, states, folder: Path) -> None:
        """Writes `folder/wav2lip.safetensors`, and the discriminator if there is one."""
        wav2lip_sync.save(folder, "wav2lip", states["generator"].variables, self.generator.config)
        if "discriminator" in states:
            variables = states["discriminator"].variables
            wav2lip_sync.save(folder, "wav2lip_discriminator", variables, self.judge.config)


def _expert(path: Path):
    """Embeddings of sound and lower halves by the expert in a file, which does not learn any more."""
    stored = weights.load(path)
    if stored.name != "wav2lip_syncnet":
        raise InputError(f"{path}: holds {stored.name}, not wav2lip_syncnet; train or convert one")
    network = wav2lip_syncnet.SyncExpert(weights.config(wav2lip_syncnet.Config, stored))
    return lambda mel, faces: network.apply(stored.variables, mel, faces)
