"""Lip motion from sound against a tracker, leaving one clip out: the table of docs/lip_motion.md.

    python benchmarks/lip_correlation.py --start runs/expnet/expnet.safetensors --corpus data/corpus \
        --facegood DIR --clips DIR --output runs/lips.jsonl

For each clip, ExpNet's last layers are trained as in configs/expnet_people.py on all other clips, and the mouth opening
of the built-in face is correlated with the tracked one. Baselines: loudness, and ridge regression on log-mel.
"""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from scipy.ndimage import gaussian_filter1d

from configs import expnet, expnet_people
from jaxtalk.data import clips
from jaxtalk.face import mouth
from jaxtalk.train.step import make_step

TEST_CLIPS = (
    "cnn2_25fps", "M003_level_1_disgusted_015", "M030_level_3_angry_016", "W023_level_2_surprised_010"
)  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(expnet_people.Config):
    output: Path = Path("lip_correlation.jsonl")
    smooth: float = 2.0
    """Standard deviation, in frames, of a Gaussian over the predicted opening; the table has it with and without."""


def correlate(a, b) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def loudness(recording: clips.Recording) -> float:
    level = recording.mel.mean(-1)
    return correlate(level[np.clip(np.rint(recording.seconds * 80).astype(int), 0, len(level) - 1)], recording.opening)


def adapt(task: expnet_people.People, parts: list[tuple[dict, np.ndarray, float]], step, seed: int):
    """The variables after training on the given rows of each part."""
    rng, state = np.random.default_rng(seed), task.init(jax.random.key(seed))
    shares = np.array([share for *_, share in parts])
    counts = np.floor(task.config.batch * shares / shares.sum()).astype(int)
    counts[0] += task.config.batch - counts.sum()
    for _ in range(task.config.steps):
        picks = []
        for (part, rows, _), count in zip(parts, counts, strict=True):
            place = rng.integers(len(part["features"]), size=count), rng.choice(rows, count)
            picks.append({key: values[place] for key, values in part.items()})
        batch = {key: jnp.asarray(np.concatenate([pick[key] for pick in picks])) for key in picks[0]}
        state, _ = step(state, batch)
    return task.folded(state.variables)


def opening(task, variables, recording) -> np.ndarray:
    return np.asarray(mouth.opening(jnp.asarray(task.move(variables, recording)).clip(0, 1)))


def main(options: Options) -> None:
    task = expnet_people.People(options)
    step = jax.jit(make_step(task.loss, task.optimizer, average=0.98))
    parts = [
        (part, np.arange(part["features"].shape[1]), share)
        for part, (_, share) in zip(task.all_features(), task.sources, strict=True)
    ]
    people = task.people
    owner = np.repeat(np.arange(len(people)), [len(r.opening) for r in people])
    predicted = {}
    for i, recording in enumerate(people):
        part = task.aligned(parts[-1][0], without={i})
        variables = adapt(task, [*parts[:-1], (part, np.flatnonzero(owner != i), parts[-1][2])], step, options.seed)
        predicted[recording.name] = opening(task, variables, recording)
    rows = []
    for i, recording in enumerate(people):
        start, gap = opening(task, task.start, recording), predicted[recording.name]
        row = {"clip": recording.name, "loudness": loudness(recording)}
        row["ridge"] = correlate(task.ridge.predict(i, set()), recording.opening)
        row["no_clips"] = correlate(gaussian_filter1d(start, options.smooth), recording.opening)
        row["raw"] = correlate(gap, recording.opening)
        row["expnet"] = correlate(gaussian_filter1d(gap, options.smooth), recording.opening)
        rows.append(row)
    everyone = adapt(task, [*parts[:-1], (task.aligned(parts[-1][0], set()), *parts[-1][1:])], step, options.seed)
    for name in TEST_CLIPS:
        recording = expnet.tracked(options.clips, name)
        gap = opening(task, everyone, recording)
        row = {"clip": name, "loudness": loudness(recording), "raw": correlate(gap, recording.opening)}
        rows.append(row | {"expnet": correlate(gaussian_filter1d(gap, options.smooth), recording.opening)})
    columns = ["loudness", "ridge", "no_clips", "raw", "expnet"]
    mean = {"clip": "mean of open clips"} | {c: float(np.mean([r[c] for r in rows[: len(people)]])) for c in columns}
    rows.append(mean | task.evaluate_variables(everyone))
    options.output.write_text("".join(json.dumps(row) + "\n" for row in rows))
    print(f"{'clip':28s}" + "".join(f"{c:>13s}" for c in columns))
    for row in rows:
        print(f"{row['clip']:28s}" + "".join(f"{row[c]:13.2f}" if c in row else f"{'':13s}" for c in columns))
    print(rows[-1])


if __name__ == "__main__":
    main(tyro.cli(Options))
