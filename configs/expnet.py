"""ExpNet for the built-in face, first of three stages: all layers, on the synthetic corpus and FACEGOOD.

    jaxtalk corpus data/corpus --clips 1600
    jaxtalk train expnet --corpus data/corpus --facegood DIR
    jaxtalk train expnet_upper ...      then the upper layers, with more and larger batches
    jaxtalk train expnet_people ...     then the last layers, with clips of people

4000 steps of 80 frames: 16 minutes on two CPU cores (0.24 s a step; 18 CPU minutes). Reached on held-out sentences: lip
error 0.57 of a still face's (0.95: one that follows loudness), closures kept 0.51; FACEGOOD 3_15 jaw 0.65.
"""

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtalk.audio import speech_windows
from jaxtalk.data import clips, corpus, mel_augment, phonemes, speech_frames
from jaxtalk.face.arkit import INDEX, NAMES
from jaxtalk.face.mouth import meet, mouth, opening
from jaxtalk.io import weights
from jaxtalk.losses import lips
from jaxtalk.metrics import lip_correlation
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import audio2exp
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

FACEGOOD_TRAIN, FACEGOOD_TEST = ("2_01", "2_02", "2_03"), "3_15"
OPEN_CLIPS = (
    "hdtf_katiehill", "RD_Radio2_000", "RD_Radio34_000", "WDA_BobMenendez_000", "german_20s", "vox_00010", "vox_00015",
    "vox_00086", "vox_00098", "vox_00373", "vox_00473", "vox_517600055", "vox_620900105", "vox_681100216",
    "vox_731200067", "vox_741400104", "vox_741400163", "vox_796100172", "vrt_1", "vrt_3", "vrt_5", "ls_1", "ls_3",
)  # fmt: skip
PLAIN = 0.3  # share of windows that are not varied


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Trains ExpNet (width 16) to move the built-in face's mouth with speech."""

    corpus: Path = Path("data/corpus")
    """Folder that `jaxtalk corpus` wrote."""
    facegood: Path | None = None
    """Folder with 2_01.flac, 2_01.npz ... of FACEGOOD-Audio2Face; 3_15 is kept for testing."""
    clips: Path | None = None
    """Folder with video/NAME.mp4 and tracks/NAME.npz of people talking."""
    names: tuple[str, ...] = OPEN_CLIPS
    """Which clips."""
    width: int = 16
    batch: int = 80
    steps: int = 4000
    rate: float = 2e-3
    seed: int = 0

    def experiment(self) -> Experiment:
        task = Task(self)
        return Experiment(
            name="expnet",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.995),
            data=lambda: speech_frames.stream(task.sources, self.batch, self.seed),
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
            evaluate_every=2000,
            save_every=500,
        )


class Task:
    """The data in memory and the pure functions of one run."""

    importance = {"coefficients": 1.0, "lip_points": 1.0, "opening": 1.0, "closure": 1.0, "phoneme": 0.5}

    def __init__(self, config: Config):
        self.config = config
        self.network = self.build(config)
        rate = optax.warmup_cosine_decay_schedule(0.0, config.rate, min(100, config.steps // 10), config.steps)
        self.optimizer = optax.adamw(rate, weight_decay=1e-3)
        self.synthetic = [clips.synthetic(record) for record in corpus.read(config.corpus)]
        self.common = clips.Spread.of(self.synthetic)
        self.scale = jnp.asarray(self.common.expression[0]), jnp.asarray(self.common.expression[1] + 0.02)
        self.lip_variance = self._lip_variance()
        self.sources = [(self.gather(self.synthetic), 0.7)]
        if config.facegood:
            self.facegood = [_facegood(config.facegood, name) for name in FACEGOOD_TRAIN]
            self.sources.append((self._people(self.facegood), 0.3))
        if config.clips:
            self.people = [tracked(config.clips, name) for name in config.names]
            self.sources.append((self._people(self.people), 0.5))

    def _people(self, recordings: list[clips.Recording]):
        return self.gather([clips.in_common_style(r, self.common) for r in recordings])

    @staticmethod
    def build(config):
        return audio2exp.ExpNet(audio2exp.Config(coefficients=len(NAMES), width=config.width))

    @staticmethod
    def gather(recordings: list[clips.Recording]):
        """What training draws from."""
        return speech_frames.SpeechFrames(recordings)

    def init(self, rng):
        expression = jnp.zeros((1, len(NAMES)))
        variables = self.network.init(rng, jnp.zeros((1, 80, 16)), expression, jnp.zeros(1))
        params = {"expnet": variables["params"], "phoneme": linear(rng, 16 * self.config.width, len(phonemes.LETTERS))}
        variables = {"params": params, "batch_stats": variables["batch_stats"]}
        return train_state.create(variables, self.optimizer, rng)

    def predict(self, params, stats, batch, rng):
        """Expression in units of its spread, phoneme logits and new batch statistics, in training."""
        windows = mel_augment.augment(rng, batch["window"], plain=PLAIN)
        (moved, aux), updates = self.network.apply(
            {"params": params["expnet"], "batch_stats": stats},
            windows,
            jnp.zeros_like(batch["expression"]),
            batch["expression"][:, INDEX["eyeBlinkLeft"]],
            train=True,
            mutable="batch_stats",
        )
        return moved, dense(params["phoneme"], aux["embedding"]), updates["batch_stats"]

    def loss(self, params, stats, batch, rng):
        moved, logits, stats = self.predict(params, stats, batch, rng)
        mean, spread = self.scale
        terms = self.terms(moved * spread[None] + mean[None], logits, batch)
        metrics = {name: Mean.of(error, known) for name, (error, known) in terms.items()}
        total = sum(self.importance[name] * metrics[name].sum for name in terms) / len(moved)
        return total, (stats, metrics)

    def folded(self, variables):
        """ExpNet as it is used, which adds the portrait's expression.

        In training the mapping sees no portrait and works in units of each coefficient's spread; here both go into
        its weights.
        """
        mean, spread = self.scale
        mapping = variables["params"]["expnet"]["mapping"]
        kernel = mapping["kernel"] * spread[None]
        kernel = kernel.at[-len(NAMES) - 1 : -1].set(jnp.eye(len(NAMES)))  # rows: embedding, portrait, blink
        mapping = {"kernel": kernel, "bias": mapping["bias"] * spread + mean}
        return {
            "params": {**variables["params"]["expnet"], "mapping": mapping},
            "batch_stats": variables["batch_stats"],
        }

    def terms(self, predicted, logits, batch):
        """(loss of each frame, its weight: 1 where that is known)."""
        spread = self.scale[1]
        exact = (batch["phoneme"] >= 0).astype(jnp.float32)
        mean_gap, size = self.common.opening
        closed = (
            exact * jnp.isin(batch["phoneme"], phonemes.CLOSURES) * (batch["opening"] < 0.1 * (mean_gap + 2 * size))
        )
        gap = (opening(predicted) - batch["opening"]) / size
        return {
            "coefficients": (
                lips.coefficients(predicted, batch["expression"], spread, batch["known"]), jnp.ones_like(exact)
            ),
            "lip_points": (
                lips.lip_points(predicted, batch["expression"], jnp.asarray(mouth().points)) / self.lip_variance, exact
            ),
            "opening": (gap**2, jnp.ones_like(exact)),
            "closure": (jax.nn.relu(gap), closed),  # a mean of closed and open lips would not be closed
            "phoneme": (
                optax.softmax_cross_entropy_with_integer_labels(logits, jnp.maximum(batch["phoneme"], 0)), exact
            ),
        }  # fmt: skip

    def _lip_variance(self) -> float:
        """Square millimetres by which the lips of the corpus move about their mean."""
        still = jnp.asarray(self.common.expression[0])
        frames = jnp.asarray(np.concatenate([r.expression[::10] for r in self.synthetic]))
        return float(lips.lip_points(frames, jnp.broadcast_to(still, frames.shape), jnp.asarray(mouth().points)).mean())

    def evaluate(self, state) -> dict[str, float]:
        """Closures kept and lip error on held-out sentences, and the jaw of FACEGOOD's test sentence."""
        return evaluate(self, self.folded(state.variables))

    @functools.cached_property
    def held_out(self) -> list[clips.Recording]:
        return [clips.synthetic(record) for record in corpus.read(self.config.corpus, "validation")]

    def move(self, variables, recording: clips.Recording) -> np.ndarray:
        """Coefficients [n, 52] of a neutral portrait, from sound alone."""
        columns = np.clip(speech_windows.columns(recording.seconds), 0, len(recording.mel) - 1)
        windows = jnp.asarray(np.swapaxes(recording.mel[columns], 1, 2))
        count = len(windows)
        windows = jnp.pad(windows, ((0, -count % 256), (0, 0), (0, 0))).reshape(-1, 256, 80, 16)
        return np.concatenate([_listen(self.network, variables, block) for block in windows])[:count]

    def talked(self, variables, recording: clips.Recording):
        """What a face makes of the network's answer."""
        return meet(jnp.asarray(self.move(variables, recording)).clip(0, 1))

    def export(self, state, folder: Path) -> None:
        self.export_variables(self.folded(state.variables), folder)

    def export_variables(self, variables, folder: Path) -> None:
        """Writes `folder/expnet.safetensors`."""
        weights.save(
            folder / "expnet.safetensors",
            weights.Weights(
                variables=variables,
                name="expnet",
                config=weights.config_values(self.network.config),
                licence="Apache-2.0",
                note="Synthetic corpus, FACEGOOD-Audio2Face (MIT) and tracked clips; see configs/expnet.py.",
            ),
            half=True,
        )


@functools.partial(jax.jit, static_argnums=0)
def _listen(network, variables, windows):
    still = jnp.zeros((len(windows), len(NAMES)))
    return network.apply(variables, windows, still, jnp.zeros(len(windows)))[0]


def evaluate(task: Task, variables) -> dict[str, float]:
    """On held-out synthetic speech: closures kept, lip error over that of a still face; FACEGOOD's jaw: correlation."""
    still, follow = jnp.asarray(task.common.expression[0]), _follow_loudness(task.synthetic)
    closures, errors = [], {"lip_error": [], "still": [], "loudness": []}
    for recording in task.held_out:
        moved, truth = task.talked(variables, recording), jnp.asarray(recording.expression)
        phones = _runs(np.isin(recording.phoneme, phonemes.CLOSURES))
        wide = float(np.percentile(recording.opening, 95))
        if len(phones):
            closures.append(lip_correlation.kept_closures(opening(moved), jnp.asarray(phones), wide))
        guesses = {"lip_error": moved, "still": jnp.broadcast_to(still, truth.shape), "loudness": follow(recording)}
        for name, guess in guesses.items():
            squared = lips.lip_points(guess, truth, jnp.asarray(mouth().points))
            errors[name].append(Mean.of(jnp.sqrt(squared)))
    error = {name: float(functools.reduce(Mean.merge, parts).value()) for name, parts in errors.items()}
    result = {
        "closures_kept": float(functools.reduce(Mean.merge, closures).value()),
        "lip_error_over_still_face": error["lip_error"] / error["still"],
        "loudness_error_over_still_face": error["loudness"] / error["still"],
    }
    if task.config.facegood:
        test = _facegood(task.config.facegood, FACEGOOD_TEST)
        jaw = INDEX["jawOpen"]
        moved = task.talked(variables, test)[:, jaw]
        result["facegood_jaw"] = float(lip_correlation.correlation(moved, jnp.asarray(test.expression[:, jaw])))
    return result


def _follow_loudness(recordings: list[clips.Recording]):
    """The baseline: every coefficient as the straight line in loudness that fits `recordings` best."""
    level = np.concatenate([clips.loudness(r) for r in recordings])
    expression = np.concatenate([r.expression for r in recordings])
    slope = ((level - level.mean()) @ (expression - expression.mean(0))) / (level.var() * len(level))
    return lambda recording: jnp.asarray(
        expression.mean(0) + (clips.loudness(recording) - level.mean())[:, None] * slope
    )


def linear(rng, inputs: int, outputs: int):
    return {"kernel": jax.random.normal(rng, (inputs, outputs)) / np.sqrt(inputs), "bias": jnp.zeros(outputs)}


def dense(params, x):
    return x @ params["kernel"] + params["bias"][None]


def _facegood(folder: Path, name: str) -> clips.Recording:
    return clips.animated(folder / f"{name}.flac", folder / f"{name}.npz")


def tracked(folder: Path, name: str) -> clips.Recording:
    return clips.tracked(folder / "video" / f"{name}.mp4", folder / "tracks" / f"{name}.npz")


def _runs(mask: np.ndarray) -> np.ndarray:
    """Each run of neighbouring frames in `mask` as its own row [runs, t]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    frames = np.arange(len(mask))
    return (
        np.stack([(frames >= a) & (frames < b) for a, b in edges.reshape(-1, 2)]) if len(edges) else mask[None, :][:0]
    )
