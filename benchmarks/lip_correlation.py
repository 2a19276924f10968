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
    groups: int = 0
    """Leave out that many clips at a time instead of one: faster."""
    smooth: float = 0.0
    """Standard deviation in frames of a Gaussian over the predicted opening."""


def correlate(a, b) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def ridge_features(recording: clips.Recording) -> np.ndarray:
    """40 bands, +-200 ms in steps of 25 ms."""
    bands = recording.mel.reshape(len(recording.mel), 40, 2).mean(-1)
    wanted = np.rint(recording.seconds[:, None] * 80).astype(int) + np.arange(-16, 17, 2)
    return bands[np.clip(wanted, 0, len(bands) - 1)].reshape(len(wanted), -1)


def ridge(recordings: list[clips.Recording], penalty: float = 3000.0) -> dict[str, float]:
    """Correlation of ridge regression from the other clips."""
    x = [ridge_features(r) for r in recordings]
    y = [(r.opening - r.opening.mean()) / r.opening.std() for r in recordings]
    gram, target = sum(a.T @ a for a in x), sum(a.T @ b for a, b in zip(x, y, strict=True))
    out = {}
    for recording, a, b in zip(recordings, x, y, strict=True):
        weight = np.linalg.solve(gram - a.T @ a + penalty * np.eye(len(gram)), target - a.T @ b)
        out[recording.name] = correlate(a @ weight, b)
    return out


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


def opening(task, variables, recording, smooth: float) -> np.ndarray:
    gap = np.asarray(mouth.opening(jnp.asarray(task.move(variables, recording))))
    return gaussian_filter1d(gap, smooth) if smooth else gap


def main(options: Options) -> None:
    task = expnet_people.People(options)
    step = jax.jit(make_step(task.loss, task.optimizer, average=0.98))
    parts = [
        (part, np.arange(part["features"].shape[1]), share)
        for part, (_, share) in zip(task.all_features(), task.sources, strict=True)
    ]
    people = task.people
    owner = np.repeat(np.arange(len(people)), [len(r.opening) for r in people])
    groups = np.arange(len(people)) % (options.groups or len(people))
    base = ridge(people)
    predicted = {}
    for group in np.unique(groups):
        kept = np.flatnonzero(groups[owner] != group)
        variables = adapt(task, [*parts[:-1], (parts[-1][0], kept, parts[-1][2])], step, options.seed)
        for recording in (r for r, g in zip(people, groups, strict=True) if g == group):
            predicted[recording.name] = opening(task, variables, recording, 0.0)
            np.savez(options.output.with_suffix(".npz"), **predicted)
    rows = []
    for recording in people:
        gap = predicted[recording.name]
        row = {"clip": recording.name, "loudness": loudness(recording), "ridge": base[recording.name]}
        row["corpus_only"] = correlate(opening(task, task.start, recording, options.smooth), recording.opening)
        row["raw"] = correlate(gap, recording.opening)
        row["expnet"] = correlate(gaussian_filter1d(gap, options.smooth) if options.smooth else gap, recording.opening)
        rows.append(row)
    everyone = adapt(task, parts, step, options.seed)
    for name in TEST_CLIPS:
        recording = expnet.tracked(options.clips, name)
        gap = opening(task, everyone, recording, options.smooth)
        rows.append({"clip": name, "loudness": loudness(recording), "expnet": correlate(gap, recording.opening)})
    columns = ["loudness", "ridge", "corpus_only", "raw", "expnet"]
    mean = {"clip": "mean of open clips"} | {c: float(np.mean([r[c] for r in rows[: len(people)]])) for c in columns}
    rows.append(mean | task.evaluate_variables(everyone))
    options.output.write_text("".join(json.dumps(row) + "\n" for row in rows))
    print(f"{'clip':28s}" + "".join(f"{c:>13s}" for c in columns))
    for row in rows:
        print(f"{row['clip']:28s}" + "".join(f"{row[c]:13.2f}" if c in row else f"{'':13s}" for c in columns))
    print(rows[-1])


if __name__ == "__main__":
    main(tyro.cli(Options))
