"""One person's head and torso as deep perceptrons (AD-NeRF, Guo et al., ICCV 2021), driven by landmarks as in GeneFace.

    jaxtalk avatar fit VIDEO -o person/                           prepares person/data
    jaxtalk train avatar_vanilla --person person/data
    jaxtalk train avatar_vanilla --person person/data --width 64 --layers 4 --coarse 24 --fine 24      on two cores

What `configs/avatar.py` is measured against: no grids, no occupancy, samples everywhere. It learns from the same pixels
and is judged by the same figures. `jaxtalk avatar render` does not draw it.
"""

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import optax

from configs import avatar
from jaxtalk.data.avatar_frames import AvatarFrames
from jaxtalk.io import weights
from jaxtalk.losses import opacity
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import adnerf
from jaxtalk.systems.avatar_field import Moment
from jaxtalk.systems.avatar_layers import Layers
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Trains AD-NeRF's fields of one person's head and torso."""

    person: Path = Path("person/data")
    """Folder that `jaxtalk avatar fit` made of a video."""
    labels: float = 3e-3
    """What the loss of what is head and what torso counts beside the squared difference of colours."""
    width: int = 256
    layers: int = 8
    coarse: int = 64
    """Samples of a ray that the coarse field is asked for."""
    fine: int = 128
    """And how many more the fine one."""
    frames: int = 4
    """Frames in a step."""
    pixels: int = 512
    """Of each frame."""
    steps: int = 100_000
    rate: float = 5e-4
    seed: int = 0

    @property
    def network(self) -> adnerf.Config:
        return adnerf.Config(width=self.width, layers=self.layers, again=self.layers // 2 + 1)

    def experiment(self) -> Experiment:
        task = Task(self)
        return Experiment(
            name="avatar_vanilla",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.99),
            data=lambda: AvatarFrames(task.known, self.frames, self.pixels).stream(self.seed),
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
            log_every=100,
            evaluate_every=10_000,
        )


class Task(avatar.Task):
    """The video in memory and the pure functions of one run; what is judged and shown is as for `configs/avatar.py`."""

    def __init__(self, config: Config):
        self.config = config
        self.known, self.others = avatar.footage(config)
        size, counts = self.known.pictures.shape[1], (config.coarse, config.fine)
        self.avatar = Layers(adnerf.Person(config.network), self.known.camera, size, counts)
        self.optimizer = optax.adam(optax.exponential_decay(config.rate, config.steps, 0.1))

    def init(self, rng):
        moment, nowhere = Moment.of(vars(self.known), 0), jnp.zeros((1, 3))
        variables = self.avatar.network.init(rng, moment.windows, moment.pose, nowhere, nowhere)
        return train_state.create(variables, self.optimizer, rng)

    def loss(self, params, stats, batch, rng):
        every = Moment.of(batch)
        view = functools.partial(self.avatar.view, params)
        rngs = jax.random.split(rng, len(batch["frame"]))
        seen = jax.vmap(view)(every, batch["pixel"] + 0.5, batch["background"], rngs)
        head, torso = batch["shares"][..., 0], batch["shares"][..., 1]
        terms = {
            "colour": jnp.square(seen.fine.colour - batch["colour"]).mean(-1),
            "coarse": jnp.square(seen.coarse.colour - batch["colour"]).mean(-1),
            "labels": self.config.labels
            * sum(opacity.surprise(one.head, head) + (1 - head) * opacity.surprise(one.torso, torso) for one in seen),
        }
        metrics = {name: Mean.of(term) for name, term in terms.items()}
        return sum(term.mean() for term in terms.values()), (stats, metrics)

    @functools.cached_property
    def picture(self):
        """picture(params, moment, background) -> the frame as `Drawn`."""
        return jax.jit(self.avatar.picture)

    def drawn(self, state, moment: Moment):
        return self.picture(state.average, moment, jnp.asarray(self.known.background, jnp.float32) / 255)

    def posed(self, state, frame: int) -> dict[str, Moment]:
        """These poses are as they were tracked."""
        return {"": self.tracked(frame)}

    def export(self, state, folder: Path) -> None:
        """Writes `folder/avatar_vanilla.safetensors` and pictures of held-out frames."""
        made = weights.Weights(
            variables=state.variables,
            name="avatar_vanilla",
            config=weights.config_values(self.config.network),
            licence="that of the video it was made of",
            note=f"Fields of one person, trained by configs/avatar_vanilla.py on {len(self.known)} frames.",
        )
        weights.save(folder / "avatar_vanilla.safetensors", made)
        self.show(state, folder)
