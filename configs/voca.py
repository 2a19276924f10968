"""VOCA, speech to the motion of a mesh, each frame by itself, on the data of `motion_prior`.

    jaxtalk train voca --facegood DIR --model ict.npz

Published losses: squared error of the motion, and ten times that of its change from frame to frame. The paper hears
DeepSpeech's letters; here windows of 16 of the ear's rows are heard, one a frame. The basis starts at random, because
the numbers it makes are principal components already.
"""

import dataclasses

import jax
import jax.numpy as jnp

from configs import motion_prior as first
from jaxtalk.losses import codebook as losses
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import voca
from jaxtalk.systems import mesh_lessons
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(mesh_lessons.Meshes):
    """Trains VOCA at its published width."""

    velocity: float = 10.0
    """What the error of the change from frame to frame counts."""
    widths: tuple[int, ...] = (32, 32, 64, 64)
    hidden: int = 128
    expression: int = 50
    muffle: float = 0.2
    """Standard deviation of what is added to the sound's features, which are about 1."""
    rate: float = 1e-3

    def network(self, coordinates: int, styles: int) -> voca.Config:
        return voca.Config(
            coordinates=coordinates,
            styles=styles,
            window=2 ** len(self.widths),
            widths=self.widths,
            hidden=self.hidden,
            expression=self.expression,
        )

    def experiment(self) -> Experiment:
        return Task(self).experiment()


class Task(mesh_lessons.Lesson):
    """The data in memory (that of another run, if given) and the pure functions of one run."""

    kind = "voca"

    def __init__(self, config: Config, data: mesh_lessons.Data | None = None):
        self.config, self.data = config, data or config.data()
        face = self.data.face
        self.network = voca.Voca(config.network(len(face.basis.basis), len(face.speakers)))
        self.optimizer = first.optimizer(config)

    def init(self, rng):
        sound, _, style = mesh_lessons.given(self.data)
        heard = voca.windows(self.network.config, sound)[0]
        return train_state.create(
            self.network.init(rng, heard, jnp.repeat(style, len(heard), axis=0)), self.optimizer, rng
        )

    def loss(self, params, stats, batch, rng):
        """Means over clips, of frames whose windows are within their pieces."""
        motion, (clips, frames) = batch["motion"], batch["motion"].shape[:2]
        sound = batch["sound"] + self.config.muffle * jax.random.normal(rng, batch["sound"].shape)
        heard = voca.windows(self.network.config, sound)
        style = jnp.repeat(mesh_lessons.styles(self.data.face, batch["speaker"]), frames, axis=0)
        (made, _), changed = self.network.apply(
            {"params": params, "batch_stats": stats}, heard.reshape(-1, *heard.shape[2:]), style, train=True,
            mutable=["batch_stats"],
        )  # fmt: skip
        half = self.network.config.window // 2
        place, made = jnp.arange(frames)[None], made.reshape(clips, frames, -1)
        own = (place >= half) & (place < jnp.minimum(batch["length"], frames - half)[:, None])
        terms = {
            "error": losses.squared_error(made, motion, own),
            "velocity": losses.squared_error(
                jnp.diff(made, axis=1), jnp.diff(motion, axis=1), own[:, 1:] & own[:, :-1]
            ),
        }
        metrics = {name: Mean.of(term) for name, term in terms.items()}
        total = metrics["error"].value() + self.config.velocity * metrics["velocity"].value()
        return total, (changed["batch_stats"], metrics)
