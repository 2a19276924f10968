"""FaceFormer, speech to the motion of a mesh frame by frame, on the data of `motion_prior`.

    jaxtalk train faceformer --facegood DIR --model ict.npz

Squared error of the motion. As published each frame is given the network's own before it, also in training; with
`--forced` the true one, as CodeTalker is taught, which is quicker and holds less well by itself.
"""

import dataclasses

import jax
import jax.numpy as jnp

from configs import codetalker as second
from configs import motion_prior as first
from jaxtalk.losses import codebook as losses
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import faceformer
from jaxtalk.systems import mesh_lessons
from jaxtalk.train.experiment import Experiment


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(second.Speaking):
    """Trains FaceFormer at its published width."""

    forced: bool = False
    """Whether the true motion is given before each frame in training."""

    def experiment(self) -> Experiment:
        return Task(self).experiment()


class Task(mesh_lessons.Lesson):
    """The data in memory (that of another run, if given) and the pure functions of one run."""

    kind = "faceformer"

    def __init__(self, config: Config, data: mesh_lessons.Data | None = None):
        self.config, self.data = config, data or config.data()
        face = self.data.face
        self.network = faceformer.FaceFormer(config.decoder(len(face.basis.basis), len(face.speakers)))
        self.optimizer = first.optimizer(config)

    def loss(self, params, stats, batch, rng):
        """Means over clips."""
        drop, spoil = jax.random.split(rng)
        motion, lengths = batch["motion"], batch["length"]
        own = jnp.arange(motion.shape[1])[None] < lengths[:, None]
        sound, before = second.spoiled(self.config, spoil, batch)
        variables, style = {"params": params}, mesh_lessons.styles(self.data.face, batch["speaker"])
        if self.config.forced:
            made = self.network.apply(variables, sound, before, style, train=True, rngs={"dropout": drop})
        else:
            speech = self.network.apply(variables, sound, method="listen")
            made = faceformer.generate(self.network, variables, speech, style, rng=drop)
        error = Mean.of(losses.squared_error(made, motion, own))
        return error.value(), (stats, {"error": error})
