"""FaceFormer, speech to the motion of a mesh frame by frame, on the data of `motion_prior`.

    jaxtalk train faceformer --facegood DIR --model ict.npz

Squared error of the motion. As published each frame is given the network's own before it, also in training; with
`--forced` the true one, as CodeTalker is taught, which is quicker and holds less well by itself.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp

from configs import codetalker as second
from configs import motion_prior as first
from jaxtalk.data import talking_meshes
from jaxtalk.data.talking_meshes import Pieces
from jaxtalk.losses import codebook as losses
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import faceformer
from jaxtalk.systems import mesh_lessons, mesh_networks
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(second.Speaking):
    """Trains FaceFormer at its published width."""

    forced: bool = False
    """Whether the true motion is given before each frame in training."""

    def experiment(self) -> Experiment:
        task = Task(self)
        return Experiment(
            name="faceformer",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.99),
            data=lambda: talking_meshes.stream(Pieces(task.data.train, self.frames), self.batch, self.seed),
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
            log_every=100,
            evaluate_every=500,
        )


class Task:
    """The data in memory (that of another run, if given) and the pure functions of one run."""

    def __init__(self, config: Config, data: mesh_lessons.Data | None = None):
        self.config, self.data = config, data or config.data()
        face = self.data.face
        self.network = faceformer.FaceFormer(config.decoder(len(face.basis.basis), len(face.speakers)))
        self.optimizer = first.optimizer(config)

    def init(self, rng):
        return train_state.create(self.network.init(rng, *mesh_lessons.given(self.data)), self.optimizer, rng)

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

    def evaluate(self, state) -> dict[str, float]:
        """Held-out sentences, from nothing but their speech."""
        return mesh_lessons.judged(self.data, mesh_lessons.said(self.made(state.variables), self.data))

    def made(self, variables) -> mesh_networks.MeshNetwork:
        return mesh_networks.MeshNetwork(
            kind="faceformer", model=self.network, variables=variables, face=self.data.face
        )

    def export(self, state, folder: Path) -> None:
        """Writes `folder/faceformer.safetensors` and `folder/mesh.npz`."""
        mesh_lessons.save(folder, "faceformer", state.variables, self.network.config, self.config, self.data.face)
