"""Audio2Pose of GeneFace: head motion from speech, one frame after the other, of the corpus or of one person.

    jaxtalk train pose_wavenet --corpus data/corpus
    jaxtalk train pose_wavenet --person me/data

Half the published width. Poses are about their mean over the recording, in tenths of a radian and centimetres.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from configs import motion_sync as first
from jaxtalk.data import talking_motion
from jaxtalk.data.talking_motion import MotionPieces, TalkingMotion
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import pose_wavenet
from jaxtalk.systems import motion_ear, spoken_motion
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

UNIT = spoken_motion.POSE_UNIT


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(first.Speech):
    """Trains PoseWaveNet (half the published width)."""

    person: Path | None = None
    """Folder that `jaxtalk avatar fit` made of a video: learns from it instead of from the corpus."""
    features: motion_ear.Name = "mel"
    width: int = 64
    hearing: int = 64
    dropout: float = 0.5
    noise: float = 0.0
    """Standard deviation of what is added to the poses before, so that small errors are made good and do not add up."""
    batch: int = 32
    steps: int = 2000
    rate: float = 1e-3
    seed: int = 0

    def experiment(self) -> Experiment:
        task = Task(self)
        return Experiment(
            name="pose_wavenet",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.99),
            data=lambda: talking_motion.stream(
                [(MotionPieces(task.speakers["train"], self.frames), 1.0)], self.batch, self.seed
            ),
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
            log_every=100,
        )


class Task:
    """The data in memory and the pure functions of one run."""

    def __init__(self, config: Config):
        self.config = config
        self.speakers = speakers(config)
        self.network = pose_wavenet.PoseWaveNet(
            pose_wavenet.Config(width=config.width, hearing=config.hearing, dropout=config.dropout)
        )
        self.optimizer = optax.chain(
            optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(config.rate, config.steps))
        )

    def init(self, rng):
        features = talking_motion.ROWS * self.speakers["train"][0].sound.shape[-1]
        before = jnp.zeros((1, 2, 2 * pose_wavenet.POSE))
        return train_state.create(self.network.init(rng, jnp.zeros((1, 2, features)), before), self.optimizer, rng)

    def given(self, batch):
        """Of all frames of a piece but the first two: the sound, the pose before, the pose, the mask."""
        pose = batch["pose"] / UNIT[None, None]
        moved = jnp.concatenate([pose[:, 1:], jnp.diff(pose, axis=1)], axis=-1)
        return spoken_motion.pose_sound(batch["sound"])[:, 2:], moved[:, :-1], moved[:, 1:], batch["mask"][:, 2:]

    def loss(self, params, stats, batch, rng):
        """Surprise at each pose, of a number of it, as published."""
        forget, vary = jax.random.split(rng)
        sound, before, pose, mask = self.given(batch)
        before = before + self.config.noise * jax.random.normal(vary, before.shape)
        mixture = self.network.apply({"params": params}, sound, before, train=True, rngs={"dropout": forget})
        surprise = Mean.of(-pose_wavenet.log_likelihood(mixture, pose) / pose.shape[-1], mask)
        return surprise.value(), (stats, {"surprise": surprise})

    def evaluate(self, state) -> dict[str, float]:
        """On held-out speech: surprise, also of two baselines; spread and speed of drawn angles over true ones.

        The baselines: any pose of these data, and a pose and velocity as those before.
        """
        speakers, mover = self.speakers["held_out"], spoken_motion.Audio2Pose(self.network, state.variables)
        pieces = MotionPieces(speakers, self.config.frames)
        made = [pieces.piece(i, np.random.default_rng(i)) for i in range(len(pieces))]
        sound, before, pose, mask = self.given({name: jnp.stack([one[name] for one in made]) for name in made[0]})
        mixture = jax.jit(self.network.apply)(state.variables, sound, before)
        surprise = Mean.of(-pose_wavenet.log_likelihood(mixture, pose) / pose.shape[-1], mask)
        drawn = [spoken_motion.pose(mover, one.sound, seed=i)[:, :3] for i, one in enumerate(speakers)]
        true = [one.pose[:, :3] for one in speakers]

        def ratio(of):
            return float(np.mean([of(x) for x in drawn]) / np.mean([of(x) for x in true]))

        return {
            "surprise": float(surprise.value()),
            "surprise_anywhere": float(about(mean(pose, mask), pose, mask).value()),
            "surprise_as_before": float(about(before, pose, mask).value()),
            "drawn_over_true_spread": ratio(lambda x: x.std(0).mean()),
            "drawn_over_true_speed": ratio(lambda x: np.abs(np.diff(x, axis=0)).mean()),
        }

    def export(self, state, folder: Path) -> None:
        """Writes `folder/pose_wavenet.safetensors`."""
        first.save(folder, "pose_wavenet", state.variables, self.network.config, self.config, "pose_wavenet")


def speakers(config: Config) -> dict[str, list[TalkingMotion]]:
    """Those that are learnt from, and those that are held out."""
    if config.person is None:
        corpus = dataclasses.replace(config, clips=None)  # of people's clips no pose is known
        return {"train": corpus.sources()[0][0].people, "held_out": corpus.held_out()}
    person = talking_motion.of_person(config.person, config.listen())
    return {name: [part] for name, part in person._asdict().items()}


def mean(pose, mask):
    """Of all poses, for each of them."""
    return jnp.broadcast_to(jnp.sum(pose * mask[..., None], axis=(0, 1), keepdims=True) / mask.sum(), pose.shape)


def about(centre, pose, mask) -> Mean:
    """Surprise at poses for a normal distribution about the centres, as wide as they are off them in these data."""
    each = mean(jnp.square(pose - centre), mask)
    mixture = pose_wavenet.Mixture(each[..., :1] * 0, centre[..., None, :], 0.5 * jnp.log(each)[..., None, :])
    return Mean.of(-pose_wavenet.log_likelihood(mixture, pose) / pose.shape[-1], mask)
