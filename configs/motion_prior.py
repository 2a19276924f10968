"""CodeTalker's stage one: the motion of a mesh as codes, a prior that stage two predicts.

    jaxtalk train motion_prior --facegood DIR --model ict.npz
    jaxtalk train codetalker --prior runs/motion_prior/motion_prior.safetensors ...      then speech

Absolute error of the motion and the published losses of the codebook; with `--averages` codes are moving averages.
Codes that nothing came to for `revive` steps are moved to where features are.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtalk.data import talking_meshes
from jaxtalk.losses import codebook as losses
from jaxtalk.metrics.codebook import CodebookUse
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import motion_vqvae
from jaxtalk.models.codebook import Averages, revive
from jaxtalk.systems import mesh_lessons
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(mesh_lessons.Meshes):
    """Trains MotionVqvae (a sixteenth of the published width, on numbers instead of vertices)."""

    width: int = 64
    layers: int = 2
    heads: int = 4
    hidden: int = 128
    codes: int = 64
    parts: int = 4
    """Codes of a frame."""
    code_width: int = 16
    averages: bool = False
    """Codes are moving averages of the features that took them; else they follow gradients."""
    revive: int = 50
    """Steps after which codes that nothing took are moved."""
    dropout: float = 0.1
    rate: float = 2e-3

    def network(self, coordinates: int) -> motion_vqvae.Config:
        return motion_vqvae.Config(
            coordinates=coordinates,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            hidden=self.hidden,
            codes=self.codes,
            parts=self.parts,
            code_width=self.code_width,
            projected=self.parts * self.code_width != self.width,
            dropout=self.dropout,
        )

    def experiment(self) -> Experiment:
        task = Task(self)
        return mesh_lessons.experiment("motion_prior", task, task.step)


class Task:
    """The data in memory (that of another run, if given) and the pure functions of one run."""

    def __init__(self, config: Config, data: mesh_lessons.Data | None = None):
        self.config, self.data = config, data or config.data()
        self.network = motion_vqvae.MotionVqvae(config.network(len(self.data.face.basis.basis)))
        self.optimizer = optimizer(config)
        self._gradient_step = make_step(self.loss, self.optimizer, average=0.99)

    def init(self, rng):
        c = self.network.config
        made = train_state.create(self.network.init(rng, jnp.zeros((1, 2, c.coordinates))), self.optimizer, rng)
        stats = {"taken": jnp.zeros(c.codes), "seen": jnp.zeros((c.codes, c.code_width))}
        if self.config.averages:
            stats |= Averages.of(made.params["codebook"]["codes"])._asdict()
        return made.replace(stats=jax.tree.map(jnp.copy, stats))

    def loss(self, params, stats, batch, rng):
        """Means over clips."""
        motion, lengths = batch["motion"], batch["length"]
        own = jnp.arange(motion.shape[1])[None] < lengths[:, None]
        again, features, coded = self.network.apply(
            {"params": params}, motion, lengths, train=True, rngs={"dropout": rng}
        )
        vq = losses.commitment if self.config.averages else losses.quantisation
        scale = losses.BETA if self.config.averages else 1.0
        terms = {
            "error": Mean.of(losses.absolute_error(again, motion, own)),
            "codebook": Mean.of(scale * vq(features, coded.codes, own)),
        }
        counted = jnp.broadcast_to(own[..., None], coded.indices.shape)
        use = CodebookUse.of(coded.indices, self.network.config.codes, counted)
        metrics = terms | {"used": Mean.of(use.used()), "perplexity": Mean.of(use.perplexity())}
        changed = {"taken": stats["taken"] + use.counts, "seen": some(features, len(stats["seen"]))}
        if self.config.averages:
            known = Averages(stats["counts"], stats["sums"])
            changed |= known.after(features, coded.indices, counted)._asdict()
        return sum(term.value() for term in terms.values()), (stats | changed, metrics)

    def step(self, state, batch):
        """A step along the gradient, then the codebook's own."""
        state, metrics = self._gradient_step(state, batch)
        codes, stats = state.params["codebook"]["codes"], dict(state.stats)
        if self.config.averages:
            codes = Averages(stats["counts"], stats["sums"]).codes
        due, used = state.step % self.config.revive == 0, stats["taken"] > 0
        moved = revive(jax.random.fold_in(state.rng, state.step), codes, used | ~due, stats["seen"])
        fresh = (due & ~used)[:, None]
        stats["taken"] = jnp.where(due, 0.0, stats["taken"])
        if self.config.averages:
            stats["counts"] = jnp.where(fresh[:, 0], 1.0, stats["counts"])
            stats["sums"] = jnp.where(fresh, moved, stats["sums"])
        averaged = jnp.where(fresh | self.config.averages, moved, state.average["codebook"]["codes"])
        return state.replace(
            params=state.params | {"codebook": {"codes": moved}},
            average=state.average | {"codebook": {"codes": averaged}},
            stats=stats,
        ), metrics

    def evaluate(self, state) -> dict[str, float]:
        """Held-out sentences through the codes."""
        batch = talking_meshes.together(self.data.held_out)
        lengths = jnp.asarray(batch["length"])
        made, _, coded = jax.jit(self.network.apply)({"params": state.average}, jnp.asarray(batch["motion"]), lengths)
        own = jnp.arange(made.shape[1])[None] < lengths[:, None]
        counted = jnp.broadcast_to(own[..., None], coded.indices.shape)
        use = CodebookUse.of(coded.indices, self.network.config.codes, counted)
        found = mesh_lessons.judged(self.data, np.asarray(made))
        return found | {"used": float(use.used()), "perplexity": float(use.perplexity())}

    def export(self, state, folder: Path) -> None:
        """Writes `folder/motion_prior.safetensors` and `folder/mesh.npz`."""
        mesh_lessons.save(
            folder, "motion_prior", {"params": state.average}, self.network.config, self.config, self.data.face
        )


def some(features, count: int):
    """So many features from all over a batch, for codes to be moved to."""
    flat = jax.lax.stop_gradient(features).reshape(-1, features.shape[-1])
    return flat[np.linspace(0, len(flat) - 1, count).astype(int)]


def optimizer(config) -> optax.GradientTransformation:
    rate = optax.warmup_cosine_decay_schedule(0.0, config.rate, min(100, config.steps // 10), config.steps)
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))
