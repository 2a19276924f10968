"""MappingNet for our Motion on a trained face-vid2vid, whose networks stay as they are (SadTalker, sec. 3.3).

    jaxtalk train face_vid2vid --corpus corpus
    jaxtalk train motion_mapping --corpus corpus --networks runs/face_vid2vid
    jaxtalk talk portrait.jpg speech.wav -o talk.mp4 --renderer vid2vid --weights runs/face_vid2vid

SadTalker's reads 3DMM coefficients; this one ARKit-52, rotation and translation. It learns where HEEstimator, which
sees the pictures, has the keypoints. The paper also compares the pictures that are drawn; here only keypoints are.
Writes `mapping_58.safetensors` into the run's folder and beside the networks.
"""

import dataclasses
import functools
from pathlib import Path

import grain.python as grain
import jax
import jax.numpy as jnp
import numpy as np
import optax

from configs import face_vid2vid
from jaxtalk.data import head_clips, host_rows
from jaxtalk.io import weights
from jaxtalk.losses import keypoints as losses
from jaxtalk.metrics import mean
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import head_pose, keypoints, motion_mapping
from jaxtalk.systems.vid2vid_networks import OURS
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

NAME = f"mapping_{OURS}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(face_vid2vid.Data):
    """Trains MappingNet to say from Motion what HEEstimator says from pictures."""

    networks: Path = Path("runs/face_vid2vid")
    """Folder with keypoints.safetensors and head_pose.safetensors."""
    network: motion_mapping.Config = motion_mapping.Config(coefficients=OURS, width=128, keypoints=10)
    noise: float = 0.02
    """Standard deviation of what is added to coefficients in training."""
    movement: float = 4.0
    """Weight of the keypoints' difference between two pictures of a clip: where they lie, Motion does not tell."""
    head_pose: float = 0.01
    """Weight of the angles, in degrees, beside the mean distance of the keypoints."""
    batch: int = 64
    steps: int = 1500
    rate: float = 1e-3
    seed: int = 0

    def experiment(self) -> Experiment:
        task = Task(self)
        return Experiment(
            name="motion_mapping",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.995),
            data=task.data,
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
        )


class Task:
    """What HEEstimator says of all frames, and the pure functions of one run."""

    def __init__(self, config: Config):
        self.config = config
        self.network = motion_mapping.MappingNet(config.network)
        schedule = optax.cosine_decay_schedule(config.rate, config.steps)
        self.optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=1e-2))
        see = seer(config.networks)
        learnt, self.held_out = (
            [self.examples(see(clip), clip) for clip in chosen] for chosen in face_vid2vid.clips(config)
        )
        self.learnt = {name: np.concatenate([one[name] for one in learnt]) for name in learnt[0]}
        self.starts = np.cumsum([0, *(len(one["window"]) for one in learnt)])  # of the clips, and the end of the last

    def examples(self, seen: dict[str, np.ndarray], clip: head_clips.HeadClip) -> dict[str, np.ndarray]:
        """Each picture's window of coefficients [n, 27, 58], and what was seen of it."""
        reach = self.config.network.window // 2
        places = clip.shown[:, None] + np.arange(-reach, reach + 1)
        return seen | {"window": rows(clip)[np.clip(places, 0, len(clip.rotation) - 1)]}

    def data(self):
        """Batches of pairs of pictures of one clip: [b, 2, ...]."""

        def pair(index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
            after = np.searchsorted(self.starts, index, side="right")
            other = rng.integers(self.starts[after - 1], self.starts[after])
            return {name: values[[index, other]] for name, values in self.learnt.items()}

        order = grain.MapDataset.range(len(self.learnt["window"])).seed(self.config.seed).shuffle().repeat()
        return host_rows.batches(order.random_map(pair), self.config.batch)

    def init(self, rng):
        window = jnp.zeros((1, self.config.network.window, self.config.network.coefficients))
        return train_state.create(self.network.init(rng, window), self.optimizer, rng)

    def placed(self, params, batch, window) -> tuple[jax.Array, jax.Array]:
        """Keypoints and angles."""
        moved = self.network.apply({"params": params}, window)
        first = jax.tree.map(lambda x: x[:, 0], moved)
        return first.place(batch["canonical"]), first.angles()

    def loss(self, params, stats, batch, rng):
        batch = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), batch)
        window = batch["window"] + self.config.noise * jax.random.normal(rng, batch["window"].shape)
        points, angles = self.placed(params, batch, window)
        off = points - batch["points"]
        apart, moved = jnp.abs(off).mean((1, 2)), jnp.abs(off[::2] - off[1::2]).mean((1, 2))
        turned = losses.head_pose(angles, batch["angles"])
        metrics = {"keypoints": Mean.of(apart), "movement": Mean.of(moved), "angles": Mean.of(turned)}
        loss = apart.mean() + self.config.movement * moved.mean() + self.config.head_pose * turned.mean()
        return loss, (stats, metrics)

    def evaluate(self, state) -> dict[str, float]:
        """Mean distance of keypoints of people who were not learnt from, where each clip's mean is taken away.

        What is left out differs between people and not in time, and is the same in a source and in what drives it.
        Beside it that of keypoints that stand still.
        """
        total: dict[str, Mean] = {}
        for clip in self.held_out:
            batch = {name: jnp.asarray(values) for name, values in clip.items()}
            total = mean.merged(total, self.compared(state.average, batch))
        return mean.values(total)

    @functools.partial(jax.jit, static_argnums=0)
    def compared(self, params, batch) -> dict[str, Mean]:
        points, angles = self.placed(params, batch, batch["window"])
        mine, theirs = (x - x.mean(0, keepdims=True) for x in (points, batch["points"]))
        return {
            "keypoints": Mean.of(jnp.abs(mine - theirs).mean((1, 2))),
            "keypoints_of_still": Mean.of(jnp.abs(theirs).mean((1, 2))),
            "angles": Mean.of(losses.head_pose(angles, batch["angles"])),
        }

    def export(self, state, folder: Path) -> None:
        """Writes the weights into the run's folder and to the networks that they are for."""
        stored = weights.Weights(
            variables=state.variables,
            name=f"vid2vid_{NAME}",
            config=weights.config_values(self.config.network),
            licence="Apache-2.0",
            note=f"{self.config.steps} steps of configs/motion_mapping.py.",
        )
        for place in (folder, self.config.networks):
            weights.save(place / f"{NAME}.safetensors", stored)


def rows(clip: head_clips.HeadClip) -> np.ndarray:
    """A clip's Motion as MappingNet reads it [t, 58]; the place of a head is relative to its mean, as crops are."""
    moved = clip.translation - clip.translation.mean(0, keepdims=True)
    return np.concatenate([clip.expression, clip.rotation, moved], -1)


def seer(folder: Path):
    """see(clip): for each of its frames the canonical keypoints (of its first frame), the moved ones, the angles."""
    stored = {name: weights.load(folder / f"{name}.safetensors") for name in ("keypoints", "head_pose")}
    detector = keypoints.KeypointDetector(weights.config(keypoints.Config, stored["keypoints"]))
    estimator = head_pose.HeadPoseEstimator(weights.config(head_pose.Config, stored["head_pose"]))

    @jax.jit
    def look(images):
        canonical, _ = detector.apply(stored["keypoints"].variables, images[:1])
        motion = estimator.apply(stored["head_pose"].variables, images)
        canonical = jnp.tile(canonical, (len(images), 1, 1))
        return {"canonical": canonical, "points": motion.place(canonical), "angles": motion.angles()}

    return lambda clip: jax.device_get(look(clip.frames.astype(np.float32) / 255))
