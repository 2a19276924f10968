"""CodeTalker's stage two: speech to codes of the motion prior, which stays as it is.

    jaxtalk train motion_prior --facegood DIR --model ict.npz
    jaxtalk train codetalker --facegood DIR --model ict.npz --prior runs/motion_prior/motion_prior.safetensors

Published losses: squared error of the motion, and of features from the codes of the truth. Taught by the true frame
before each, as published; with `noise` in it, because a network that was only ever given true motion is lost when it is
given its own. With `--no-codebook` features go to the prior's decoder as they are (the paper's ablation).
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp

from configs import motion_prior as first
from jaxtalk.io import weights
from jaxtalk.losses import codebook as losses
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import codetalker, motion_decoder
from jaxtalk.systems import mesh_lessons, mesh_networks
from jaxtalk.train.experiment import Experiment


@dataclasses.dataclass(frozen=True, kw_only=True)
class Speaking(mesh_lessons.Meshes):
    """Sizes and training that CodeTalker's stage two and FaceFormer share."""

    width: int = 64
    layers: int = 1
    heads: int = 4
    hidden: int = 128
    dropout: float = 0.1
    noise: float = 0.3
    """Standard deviation of what is added to the true motion before a frame, in units of the largest component."""
    forget: float = 0.3
    """Share of pieces in which nothing is known of the motion before."""
    muffle: float = 0.2
    """Standard deviation of what is added to the sound's features, which are about 1."""
    rate: float = 1e-3

    def decoder(self, coordinates: int, styles: int) -> motion_decoder.Config:
        return motion_decoder.Config(
            coordinates=coordinates,
            styles=styles,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            hidden=self.hidden,
            period=round(self.fps),
            fps=self.fps,
            dropout=self.dropout,
            speech=None,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Speaking):
    """Trains CodeTalker (a sixteenth of the published width)."""

    prior: Path = Path("runs/motion_prior/motion_prior.safetensors")
    """What stage one wrote, its mesh.npz beside it."""
    codebook: bool = True
    """Else the features themselves are decoded."""

    def experiment(self) -> Experiment:
        return Task(self).experiment()


class Task(mesh_lessons.Lesson):
    """The data in memory (that of another run, if given) and the pure functions of one run."""

    kind = "codetalker"

    def __init__(self, config: Config, data: mesh_lessons.Data | None = None):
        self.config = config
        folder = config.prior.parent
        self.prior, self.fixed = mesh_networks.load_prior(folder)
        self.data = data or config.data(mesh_networks.load_face(folder))
        face = self.data.face
        self.network = codetalker.CodeTalker(
            codetalker.Config(
                decoder=config.decoder(len(face.basis.basis), len(face.speakers)),
                features=self.prior.config.features,
                codebook=config.codebook,
            )
        )
        self.optimizer = first.optimizer(config)

    def loss(self, params, stats, batch, rng):
        """Means over clips."""
        drop, spoil = jax.random.split(rng)
        motion, lengths = batch["motion"], batch["length"]
        own = jnp.arange(motion.shape[1])[None] < lengths[:, None]
        sound, before = spoiled(self.config, spoil, batch)
        style = mesh_lessons.styles(self.data.face, batch["speaker"])
        known = codetalker.Variables({"params": params}, self.fixed)
        made = codetalker.predict(
            self.network, self.prior, known, sound, before, style, (lengths, lengths), {"dropout": drop}
        )
        codes = codetalker.truth_codes(self.prior, self.fixed, motion, lengths, self.config.codebook)
        terms = {
            "error": Mean.of(losses.squared_error(made.motion, motion, own)),
            "codes": Mean.of(losses.commitment(made.features, codes, own)),
        }
        return sum(term.value() for term in terms.values()), (stats, terms)

    def made(self, variables) -> mesh_networks.MeshNetwork:
        return dataclasses.replace(super().made(variables), prior=(self.prior, self.fixed))

    def export(self, state, folder: Path) -> None:
        """Writes `folder/codetalker.safetensors`, the prior and `mesh.npz`."""
        super().export(state, folder)
        prior = f"{mesh_networks.PRIOR}.safetensors"
        weights.save(folder / prior, weights.load(self.config.prior.parent / prior))


def spoiled(config: Speaking, rng, batch):
    """The sound with noise, and the motion that is known before frames: with noise, or none at all."""
    muffle, shake, forget = jax.random.split(rng, 3)
    sound, motion = batch["sound"], batch["motion"]
    sound = sound + config.muffle * jax.random.normal(muffle, sound.shape)
    known = jax.random.bernoulli(forget, 1 - config.forget, (len(motion), 1, 1))
    return sound, known * (motion + config.noise * jax.random.normal(shake, motion.shape))
