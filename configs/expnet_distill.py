"""ExpNet with the losses of SadTalker (Zhang et al., CVPR 2023, sec. 3.2), in place of `expnet_people`.

    jaxtalk train expnet_distill --start runs/expnet_upper/expnet.safetensors --corpus data/corpus --facegood DIR \\
        --clips DIR

A teacher says what the lips do (the paper lets Wav2Lip speak and reconstructs its lips; here the corpus's articulation,
FACEGOOD's weights and people's tracks, or any function of a recording), and ExpNet learns of it

    distil   the coefficients: the teacher's lips on the portrait's own face, which else does not move
    points   the landmarks they give, eyes and lips weighing more
    opening  how far the inner lips part, by the landmarks themselves where a tracker saw them
    eyes     the ratio of the eyes' height and width, which the blink signal drives and nothing else
    reading  that lips can be read: a `Reader` (losses/lip_reading.py), here our LipSyncNet, which compares with sound

from sound, the portrait's expression and the blink signal. Layers up to `first` - 1 stay as they are; what they make of
every stretch, plain and in `variations` of the sound, is computed once. The weights of the losses are ours.

300 steps of 16 stretches on 200 clips of the corpus, from the shipped ExpNet: 7 CPU minutes, of which two are features.
Its mouth opening follows SadTalker's own on an unseen recording (benchmarks/sadtalker_lips.py, MediaPipe's tracker) at
0.64: the shipped ExpNet 0.62, LipTCN 0.53 (0.54 before lips touch), ridge 0.52, loudness 0.18. Four unseen clips of
people: mean 0.29 (shipped 0.31). With shares 8 : 1.5 : 6.5, 400 steps and no `opening`: 0.58, and 0.32 on the clips.
"""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from tqdm import tqdm

from configs import expnet_upper
from jaxtalk.audio import mel, speech_windows
from jaxtalk.data import clip_alignment, clips, mel_augment, speech_sequences
from jaxtalk.face import face_points
from jaxtalk.face.arkit import INDEX, NAMES
from jaxtalk.face.landmarks import eye_aspect_ratio
from jaxtalk.face.lip_shape import lip_shape
from jaxtalk.face.mouth import mouth, opening
from jaxtalk.io import weights
from jaxtalk.losses import landmarks, lip_reading, lips
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import lip_sync_net
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

FRAMES = 20  # in a stretch, at 25 a second
MARGIN = 16  # columns of sound before its first frame and after its last: half of a window
PER_FRAME = lip_sync_net.COLUMNS_PER_FRAME
COLUMNS = int(2 * MARGIN + FRAMES * PER_FRAME)  # 96
LIDS = np.array([INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"]])
EYES, LIPS = 5.0, 3.0  # weights of landmarks of the eyes and of the lips; the others have 1
WEIGHT = np.ones(68, np.float32)
WEIGHT[36:48], WEIGHT[48:68] = EYES, LIPS
PLAIN = 0.3  # share of stretches whose portrait has a neutral face

Teacher = Callable[[clips.Recording], Float[np.ndarray, "n 52"]]
"""The coefficients of a recording's frames."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(expnet_upper.Config):
    """Trains the upper layers of an ExpNet with SadTalker's losses."""

    start: Path = Path("runs/expnet_upper/expnet.safetensors")
    """What `jaxtalk train expnet_upper` wrote."""
    first: int = 7
    variations: int = 3
    """How many times people are heard through another throat, room and microphone; the corpus is heard plain."""
    steps: int = 300
    batch: int = 16
    """Stretches of 20 frames."""
    rate: float = 5e-4
    dropout: float = 0.2
    shares: tuple[float, ...] = (3.0, 1.0, 12.0)
    """Of corpus, FACEGOOD and people in a batch."""
    distil: float = 1.0
    points: float = 1.0
    opening: float = 1.0
    eyes: float = 0.2
    reading: float = 0.3
    initial: bool = True
    """Whether the network sees the portrait's expression."""
    lip_only: bool = True
    """Whether it learns the lips alone; else brows, gaze and lids of the corpus too, which speech does not tell."""

    def experiment(self) -> Experiment:
        task = Task(self)
        parts = task.parts()
        return Experiment(
            name="expnet_distill",
            init=task.init,
            step=task.step(),
            data=lambda: expnet_upper.stream(parts, self.shares[: len(parts)], self.batch, self.seed),
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
            evaluate_every=self.steps,
            save_every=100,
        )


def labels(recording: clips.Recording) -> Float[np.ndarray, "n 52"]:
    """The teacher that needs no network: what is known of the recording."""
    return recording.expression


def by_sync() -> lip_reading.Reader:
    """Reads lips with the shipped LipSyncNet: they should say what is heard in `batch["mel"]`."""
    stored = weights.load(weights.shipped("lip_sync"))
    network = lip_sync_net.LipSyncNet(weights.config(lip_sync_net.Config, stored))
    params = {"params": stored.variables["params"]}
    ahead = round(
        speech_windows.LEAD * mel.COLUMNS_PER_SECOND
    )  # people's lips, as it knows them, come before the sound
    before = int((MARGIN - ahead) // PER_FRAME)  # frames that give the first one its past
    begin = round(MARGIN - ahead - before * PER_FRAME)

    def read(points, batch):
        face = network.apply(params, lip_shape(points), method="see")
        heard = network.apply(params, batch["mel"][:, begin:], before + FRAMES, method="hear")
        return lip_reading.agreed(face, heard[:, before:])

    return read


class Task(expnet_upper.Task):
    """The data in memory and the pure functions of one run."""

    def __init__(self, config: Config, teacher: Teacher = labels, reader: lip_reading.Reader | None = None):
        super().__init__(config)
        self.reader = reader or by_sync()
        self.open_eye = float(eye_aspect_ratio(face_points.expressed(jnp.zeros(len(NAMES)))))
        groups = [self.synthetic]
        if config.facegood:
            groups.append([clips.in_common_style(r, self.common) for r in self.facegood])
        if config.clips:
            groups.append(self._in_time())
        self.groups = [[dataclasses.replace(r, expression=teacher(r)) for r in group] for group in groups]

    @staticmethod
    def gather(recordings: list[clips.Recording]):
        return speech_sequences.SpeechSequences(recordings, COLUMNS)

    def _in_time(self) -> list[clips.Recording]:
        """People in the common style, their lips moved to the sound they belong to."""
        late = clip_alignment.lags(clip_alignment.Ridge(self.people), set())
        return [
            dataclasses.replace(clips.in_common_style(r, self.common), lead=r.lead - lag / r.fps)
            for r, lag in zip(self.people, late, strict=True)
        ]

    def parts(self) -> list[expnet_upper.Part]:
        """All stretches of each group; of people also with other throats, rooms and microphones."""
        varied = [0] * len(self.groups)
        varied[-1] = self.config.variations
        return [self.features(self.gather(g), n) for g, n in zip(self.groups, varied, strict=True)]

    def features(self, frames: speech_sequences.SpeechSequences, variations: int, every: int = 1) -> expnet_upper.Part:
        """What the fixed layers make of stretches, plain and varied; of every `every`-th stretch."""
        rows, rng, size = np.arange(0, len(frames), every), np.random.default_rng(self.config.seed), 16
        part: expnet_upper.Part = {}
        for variation in range(variations + 1):
            for number in tqdm(range(0, len(rows), size), desc="features", disable=None):
                block = rows[number : number + size]
                batch = _frames([frames.stretch(int(i), rng) for i in block])
                sound = np.pad(batch["mel"], ((0, size - len(block)), (0, 0), (0, 0)))
                key = jax.random.key(variation * len(rows) + number)
                heard = self._lower(self.start, _heard(key, sound, varied=variation > 0), key, varied=False)
                batch["features"] = np.asarray(heard).reshape(size, FRAMES, *heard.shape[1:])
                for name, values in batch.items():
                    if name not in part:
                        part[name] = np.empty((variations + 1, len(rows), *values.shape[1:]), values.dtype)
                    part[name][variation, number : number + len(block)] = values[: len(block)]
        return part

    def init(self, rng):
        mean, spread = self.scale
        params = {name: self.start["params"]["encoder"][name] for name in self.trained}
        mapping = self.start["params"]["mapping"]
        params["mapping"] = {"kernel": mapping["kernel"] / spread[None], "bias": (mapping["bias"] - mean) / spread}
        stats = {name: self.start["batch_stats"]["encoder"][name] for name in self.trained}
        return train_state.create({"params": params, "batch_stats": stats}, self.optimizer, rng)

    def step(self):
        return make_step(self.loss, self.optimizer, average=0.98)

    def loss(self, params, stats, batch, rng):
        drawn, dropped = jax.random.split(rng)
        portrait, blink = self.asked(batch, drawn)
        target, known = self.target(batch, portrait, blink)
        predicted, stats = self.predicted(params, stats, batch, portrait, blink, dropped)
        terms = self.terms(predicted, jnp.where(known > 0, target, jax.lax.stop_gradient(predicted)), known, blink)
        terms["opening"] = ((opening(predicted) - batch["opening"]) / self.common.opening[1]) ** 2
        inside = batch["mask"]
        metrics = {name: Mean.of(error, inside) for name, error in terms.items()}
        reading = self.reader(face_points.expressed(predicted)[..., :2], batch)
        metrics["reading"] = Mean.of(reading, inside.mean(-1))
        total = sum(getattr(self.config, name) * metric.value() for name, metric in metrics.items())
        return total, (stats, metrics)

    def asked(self, batch, rng) -> tuple[Float[Array, "b t 52"], Float[Array, "b t"]]:
        """A portrait with some expression that leaves its lips closed, and a blink signal: half of it open eyes."""
        drawn, blinking, shut = jax.random.split(rng, 3)
        shape = batch["expression"].shape
        portrait = jnp.broadcast_to(portraits(drawn, shape[0])[:, None], shape)
        if not self.config.lip_only:
            return portrait, batch["expression"][..., LIDS[0]]
        blink = jax.random.uniform(shut, shape[:2]) * jax.random.bernoulli(blinking, 0.5, shape[:2])
        return portrait, blink

    def target(self, batch, portrait, blink):
        """What the teacher wants, and which of it counts: coefficients [b, t, 52], 1 or 0."""
        expression, mouth_ = batch["expression"], jnp.asarray(clips.MOUTH)[None, None]
        known = jnp.broadcast_to(batch["known"][:, None], expression.shape)
        if not self.config.lip_only:
            return expression + portrait, known
        target = jnp.where(mouth_, expression, 0.0) + portrait
        return target.at[..., LIDS].set(blink[..., None]), jnp.where(mouth_, known, 1.0)

    def predicted(self, params, stats, batch, portrait, blink, rng):
        """Coefficients [b, t, 52] and new batch statistics, in training."""
        seen = portrait if self.config.initial else jnp.zeros_like(portrait)
        features = batch["features"].astype(jnp.float32)
        (moved, _), updates = self.upper.apply(
            {"params": params, "batch_stats": stats},
            features.reshape(-1, *features.shape[2:]),
            blink.reshape(-1),
            seen.reshape(-1, len(NAMES)),
            train=True,
            mutable="batch_stats",
            rngs={"dropout": rng},
        )
        mean, spread = self.scale
        return (moved * spread[None] + mean[None]).reshape(portrait.shape), updates["batch_stats"]

    def terms(self, predicted, target, known, blink) -> dict[str, Float[Array, "b t"]]:
        """Losses of each frame."""
        made, wanted = (1e3 * face_points.expressed(e) for e in (predicted, target))
        lids = jnp.zeros_like(target).at[..., LIDS].set(blink[..., None])
        driven = eye_aspect_ratio(face_points.expressed(lids))
        return {
            "distil": lips.coefficients(predicted, target, self.scale[1], known),
            "points": landmarks.weighted(made, wanted, jnp.asarray(WEIGHT)) / self.lip_variance,
            "eyes": landmarks.eye_ratio(eye_aspect_ratio(made), driven, self.open_eye),
        }

    def folded(self, variables):
        """ExpNet as it is used; without `initial` its portrait counts nothing."""
        mean, spread = self.scale
        params, start = variables["params"], self.start["params"]
        kernel = params["mapping"]["kernel"] * spread[None]
        if not self.config.initial:
            kernel = kernel.at[self.portrait].set(0.0)
        mapping = {"kernel": kernel, "bias": params["mapping"]["bias"] * spread + mean}
        encoder = {**start["encoder"], **{name: params[name] for name in self.trained}}
        stats = {**self.start["batch_stats"]["encoder"], **variables["batch_stats"]}
        return {"params": {"encoder": encoder, "mapping": mapping}, "batch_stats": {"encoder": stats}}


def portraits(rng, count: int, plain: float = PLAIN) -> Float[Array, "b 52"]:
    """Expressions of portraits, a share of them neutral: a few coefficients each.

    Anything but parted lips, which would not close, and shut eyes, which the blink signal opens.
    """
    which, size, neutral = jax.random.split(rng, 3)
    face = 0.3 * jnp.abs(jax.random.normal(size, (count, len(NAMES))))
    face = face * jax.random.bernoulli(which, 0.25, face.shape) * ~jax.random.bernoulli(neutral, plain, (count, 1))
    shown = np.abs(mouth().opening) < 1e-3
    shown[LIDS] = False
    return face * jnp.asarray(shown)[None]


def _frames(stretches: list[dict]) -> dict[str, np.ndarray]:
    """Stretches with their movement at 25 frames a second instead of every other column."""
    batch = {key: np.stack([one[key] for one in stretches]) for key in stretches[0]}
    place = (MARGIN + np.arange(FRAMES) * PER_FRAME) / speech_windows.SPACING
    low, share = place.astype(int), (place % 1).astype(np.float32)
    for key in ("expression", "opening"):
        part = share.reshape(-1, *[1] * (batch[key].ndim - 2))
        batch[key] = batch[key][:, low] * (1 - part) + batch[key][:, low + 1] * part
    nearest = np.rint(place).astype(int)
    batch["phoneme"], batch["mask"] = batch["phoneme"][:, nearest], batch["mask"][:, nearest]
    return {key: batch[key] for key in ("mel", "expression", "opening", "phoneme", "known", "mask")}


@functools.partial(jax.jit, static_argnames="varied")
def _heard(rng, sound, varied: bool):
    """The windows [b frames, 80, 16] of stretches of sound [b, columns, 80]."""
    sound = jnp.swapaxes(jnp.asarray(sound), 1, 2)
    sound = mel_augment.augment(rng, sound) if varied else sound
    columns = speech_windows.columns((MARGIN + np.arange(FRAMES) * PER_FRAME) / mel.COLUMNS_PER_SECOND)
    windows = jnp.moveaxis(sound[:, :, columns.clip(0, COLUMNS - 1)], 2, 1)
    return windows.reshape(-1, *windows.shape[2:])
